// Package evloop is an event loop with handlers that come and go while it runs. The loop is a quiescent
// reader: between two batches of events it holds nothing, so reading costs it nothing.
package evloop

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// An Event is what handlers get.
type Event struct {
	Kind    string
	Payload []byte
}

// A handler is closed when no loop can call it any more.
type handler struct {
	link  smrq.Link[handler]
	fn    func(*Event)
	close func()
}

func (h *handler) end() {
	if h.close != nil {
		h.close()
	}
}

// A kind has the handlers of a kind of events. Kinds stay.
type kind struct {
	handlers smrq.List[handler]
	events   atomic.Uint64
}

// A Group is a set of loops with the same handlers.
type Group struct {
	dom   *smr.Domain
	kinds *smrmap.Map[string, *kind]
	mu    sync.Mutex
	wg    sync.WaitGroup
}

// NewGroup returns a group without loops.
func NewGroup() (*Group, error) {
	dom, err := smr.New(smr.Options{Name: "evloop"})
	if err != nil {
		return nil, err
	}
	kinds, err := smrmap.New[string, *kind](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Group{dom: dom, kinds: kinds}, nil
}

// Handle adds a handler for a kind of events. remove removes it; closed, which may be nil, is called
// when no loop runs it any more.
func (g *Group) Handle(name string, fn func(*Event), closed func()) (remove func(), err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	k, ok := g.kinds.Load(name)
	if !ok {
		k = new(kind)
		k.handlers.InitWith(func(h *handler) *smrq.Link[handler] { return &h.link })
		k.handlers.GuardedBy(&g.mu)
		if err := g.kinds.Store(name, k); err != nil {
			return nil, err
		}
	}
	h := &handler{fn: fn, close: closed}
	k.handlers.InsertHead(h)
	var once sync.Once
	return func() { once.Do(func() { g.remove(k, h) }) }, nil
}

func (g *Group) remove(k *kind, h *handler) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !h.link.Linked() {
		return // the group was closed
	}
	k.handlers.Remove(h)
	smr.Call(g.dom, h, 0, (*handler).end)
}

// A Loop is one goroutine that handles events.
type Loop struct {
	g      *Group
	name   string
	events chan Event
	wake   chan struct{}
	posts  atomic.Int64
}

// Start starts a loop.
func (g *Group) Start(name string) *Loop {
	l := &Loop{g: g, name: name, events: make(chan Event, 64), wake: make(chan struct{}, 1)}
	q := g.dom.NewQuiescent(func() {
		select {
		case l.wake <- struct{}{}:
		default:
		}
	})
	q.Describe(func() string { return "loop " + l.name })
	g.wg.Go(func() { l.run(q) })
	return l
}

// Post gives the loop an event.
func (l *Loop) Post(e Event) {
	l.events <- e
	l.posts.Add(1)
}

// Stop ends the loop when it has handled what was posted.
func (l *Loop) Stop() { close(l.events) }

func (l *Loop) run(q *smr.Quiescent) {
	defer q.Close()
	for {
		// Nothing is loaded here: the loop may sleep.
		var e Event
		var ok bool
		select {
		case e, ok = <-l.events:
			if !ok {
				return
			}
		default:
			q.Offline()
			e, ok = <-l.events
			if !ok {
				return
			}
		}
		q.Online()
		s := q.Section()
		l.dispatch(s, &e)
		q.Quiesce()
	batch:
		for range 32 {
			select {
			case e, ok = <-l.events:
				if !ok {
					return
				}
				l.dispatch(q.Section(), &e)
			case <-l.wake:
				q.Quiesce() // somebody waits
			default:
				break batch
			}
		}
		q.Quiesce()
	}
}

// dispatch calls the handlers of an event.
func (l *Loop) dispatch(s smr.Section, e *Event) {
	p, ok := l.g.kinds.LoadIn(s, e.Kind)
	if !ok {
		return
	}
	k := *p
	k.events.Add(1)
	for h := range k.handlers.All(s) {
		h.fn(e)
	}
}

// Counts returns how many events of each kind were handled.
func (g *Group) Counts() map[string]uint64 {
	counts := make(map[string]uint64)
	for name, k := range g.kinds.All() {
		counts[name] = k.events.Load()
	}
	return counts
}

// Quiet waits until each loop has ended what it was at when Quiet was called.
func (g *Group) Quiet(timeout time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := g.dom.Synchronize(ctx); err != nil {
		return fmt.Errorf("evloop: %w", err)
	}
	return nil
}

// Close waits for the loops, which were stopped, and closes the handlers that are left.
func (g *Group) Close(ctx context.Context) error {
	g.wg.Wait()
	g.mu.Lock()
	for _, k := range g.kinds.All() {
		for c := k.handlers.Cursor(); c.Step(); {
			smr.Call(g.dom, c.Erase(), 0, (*handler).end)
		}
	}
	g.mu.Unlock()
	return errors.Join(g.kinds.Close(ctx), g.dom.Close(ctx))
}

package main

import (
	"context"
	"errors"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// ErrClosed is returned by Send after Close.
var ErrClosed = errors.New("the pool is closed")

// An Event is for the worker of its key: a worker has all events of a key, in order.
type Event struct {
	Key    uint64
	Amount int64
}

// Rates are what all workers read for each event. They are replaced as a whole, and never changed.
type Rates struct {
	Version int
	Percent int64
	free    func(*Rates) // gives back what the collector does not; may be nil
}

// A Pool is some event loops. Each has state of its own, and no lock: what the others know of it they
// learn when the world is stopped.
type Pool struct {
	dom   *smr.Domain
	world *stw.World
	loops []*loop

	rates smr.Pointer[Rates] // replaced by the holder of mu, read by loops

	mu     sync.RWMutex // Send reads, SetRates and Close write
	closed bool
}

// A loop is a worker's own, but for its queue.
type loop struct {
	queue    chan Event
	balances map[uint64]int64
	events   int64
}

// NewPool starts a pool of workers.
func NewPool(workers int, first *Rates) (*Pool, error) {
	dom, err := smr.New(smr.Options{Name: "rates"})
	if err != nil {
		return nil, err
	}
	world, err := stw.NewWorld(stw.Options{Max: workers, SMR: []*smr.Domain{dom}})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background())) // no reader yet
	}
	p := &Pool{dom: dom, world: world}
	p.rates.Init(first)
	p.rates.In(dom)
	p.rates.GuardedBy(&p.mu)
	for range workers {
		l := &loop{queue: make(chan Event, 128), balances: make(map[uint64]int64)}
		if _, err := world.Spawn(func(d *stw.Domain) { p.run(d, l) }); err != nil {
			return nil, errors.Join(err, p.Close(context.Background()))
		}
		p.loops = append(p.loops, l)
	}
	return p, nil
}

// run is the loop of a worker.
func (p *Pool) run(d *stw.Domain, l *loop) {
	for {
		var e Event
		ok := true
		select {
		case e, ok = <-l.queue:
		default: // what may block is at a safe point: others stop the world, and free rates, meanwhile
			d.Blocking(func() { e, ok = <-l.queue })
		}
		if !ok {
			return
		}
		rates := p.rates.Load(d.Section()) // valid until the next Poll, for the cost of a load
		l.balances[e.Key] += e.Amount * rates.Percent / 100
		l.events++
		d.Poll()
	}
}

// Send gives an event to its worker. It waits while that one's queue is full, until ctx ends.
func (p *Pool) Send(ctx context.Context, e Event) error {
	p.mu.RLock() // so that Close does not close the queue under it
	defer p.mu.RUnlock()
	if p.closed {
		return ErrClosed
	}
	select {
	case p.loops[e.Key%uint64(len(p.loops))].queue <- e:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// SetRates replaces the rates. The old ones are freed when each worker has polled.
func (p *Pool) SetRates(r *Rates) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	old := p.rates.LoadSerialized()
	p.rates.Store(r)
	if old.free != nil {
		smr.Call(p.dom, old, 1, old.free)
	}
	return nil
}

// A Total is what all workers have done at one moment.
type Total struct {
	Events  int64
	Balance int64
	Keys    int
}

// Total stops the workers at safe points, and adds up what they have. It fails, and they go on, if one
// does not come to its safe point before ctx ends.
func (p *Pool) Total(ctx context.Context) (t Total, err error) {
	if err := p.world.StopContext(ctx); err != nil {
		return Total{}, err
	}
	defer p.world.Start()
	for _, l := range p.loops {
		t.Events += l.events
		t.Keys += len(l.balances)
		for _, amount := range l.balances {
			t.Balance += amount
		}
	}
	return t, nil
}

// Close ends the workers when they have done what is in their queues. If ctx ends first, they do it
// all the same, and a second Close waits for them.
func (p *Pool) Close(ctx context.Context) error {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		for _, l := range p.loops {
			close(l.queue)
		}
	}
	p.mu.Unlock()
	if err := p.world.Close(ctx); err != nil {
		return err // they still read
	}
	if err := p.dom.Close(ctx); err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if last := p.rates.LoadSerialized(); last != nil && last.free != nil {
		p.rates.Clear()
		last.free(last) // no reader is left
	}
	return nil
}

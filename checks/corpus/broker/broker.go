// Package broker is a message broker. A topic has a log, which consumers read from where it lies, and a
// list of subscribers, which publishers walk without a lock.
package broker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

// Errors of the broker.
var (
	ErrNoTopic = errors.New("broker: no such topic")
	ErrStopped = errors.New("broker: stopped")
)

// A topic is a log and those who want to know of it.
type topic struct {
	name string
	log  *wal

	mu          sync.Mutex // writers of subscribers
	subscribers *smrq.TailQ[subscriber]
	gone        bool // guarded by mu: the topic was deleted
}

// A subscriber is woken when there is something new.
type subscriber struct {
	link   smrq.Link[subscriber]
	filter string
	wake   chan struct{}
	woken  atomic.Int64
}

// end tells the subscriber that there will be nothing more. It runs when no publisher is at it.
func (sub *subscriber) end() { close(sub.wake) }

func (sub *subscriber) wants(record []byte) bool {
	return sub.filter == "" || bytes.Contains(record, []byte(sub.filter))
}

// A Broker has topics.
type Broker struct {
	dom    *smr.Domain
	dir    string
	topics *smrmap.Map[string, *topic]

	mu      sync.Mutex // those who create and delete topics
	stopped bool
}

// New returns a broker that keeps its logs in dir.
func New(dir string) (*Broker, error) {
	dom, err := smr.New(smr.Options{Name: "broker"})
	if err != nil {
		return nil, err
	}
	topics, err := smrmap.New[string, *topic](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Broker{dom: dom, dir: dir, topics: topics}, nil
}

// Create makes a topic.
func (b *Broker) Create(ctx context.Context, name string) error {
	if name == "" || strings.ContainsAny(name, "/.") {
		return fmt.Errorf("broker: bad name %q", name)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return ErrStopped
	}
	if _, ok := b.topics.Load(name); ok {
		return fmt.Errorf("broker: topic %q is there", name)
	}
	log, err := openLog(b.dom, filepath.Join(b.dir, name+".log"))
	if err != nil {
		return err
	}
	t := &topic{name: name, log: log}
	t.subscribers = smrq.NewTailQ(func(s *subscriber) *smrq.Link[subscriber] { return &s.link })
	t.subscribers.GuardedBy(&t.mu)
	if err := b.topics.Store(name, t); err != nil {
		return errors.Join(err, log.remove(ctx))
	}
	return nil
}

// enter opens a section and finds a topic in it. The caller leaves the section, unless there is an
// error.
func (b *Broker) enter(name string) (smr.Section, *topic, error) {
	s, ok := b.dom.TryEnter()
	if !ok {
		return smr.Section{}, nil, ErrStopped
	}
	p, ok := b.topics.LoadIn(s, name)
	if !ok {
		s.Leave()
		return smr.Section{}, nil, ErrNoTopic
	}
	return s, *p, nil
}

// Publish appends records to a topic, and wakes the subscribers that want one of them.
func (b *Broker) Publish(name string, records ...[]byte) error {
	s, t, err := b.enter(name)
	if err != nil {
		return err
	}
	defer s.Leave()
	if _, err := t.log.append(records...); err != nil {
		return err
	}
	for sub := range t.subscribers.All(s) {
		for _, r := range records {
			if !sub.wants(r) {
				continue
			}
			sub.woken.Add(1)
			select {
			case sub.wake <- struct{}{}:
			default: // it has not come to the last one yet
			}
			break
		}
	}
	return nil
}

// A Consumer reads a topic. One goroutine uses it.
type Consumer struct {
	b    *Broker
	name string
	t    *topic
	sub  *subscriber
	off  int64
}

// Subscribe returns a consumer of what a topic gets from now on, and of what it has. It is woken for
// records that contain filter.
func (b *Broker) Subscribe(name, filter string) (*Consumer, error) {
	s, t, err := b.enter(name)
	if err != nil {
		return nil, err
	}
	defer s.Leave()
	sub := &subscriber{filter: filter, wake: make(chan struct{}, 1)}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.gone {
		return nil, ErrNoTopic
	}
	t.subscribers.InsertTail(sub)
	return &Consumer{b: b, name: name, t: t, sub: sub}, nil
}

// Wait waits until there may be something new. It returns io.EOF if the topic was deleted.
func (c *Consumer) Wait(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case _, ok := <-c.sub.wake:
		if !ok {
			return io.EOF
		}
		return nil
	}
}

// Next calls fn with up to n records, each borrowed until fn returns, and goes on behind the last for
// which fn returned nil.
func (c *Consumer) Next(n int, fn func(record []byte) error) (read int, err error) {
	s, t, err := c.b.enter(c.name)
	if err != nil {
		return 0, err
	}
	defer s.Leave()
	for next, record := range t.log.records(s, c.off, &err) {
		if read == n {
			break
		}
		if !c.sub.wants(record) {
			c.off = next
			continue
		}
		if err := fn(record); err != nil {
			return read, err
		}
		c.off = next
		read++
	}
	return read, err
}

// Read appends a copy of the next record to dst, or returns io.EOF.
func (c *Consumer) Read(dst []byte) ([]byte, error) {
	s, t, err := c.b.enter(c.name)
	if err != nil {
		return dst, err
	}
	record, next, err := t.log.record(s, c.off)
	if err != nil {
		s.Leave()
		return dst, err
	}
	dst = append(dst, record...)
	s.Leave()
	c.off = next
	return dst, nil
}

// Close unsubscribes.
func (c *Consumer) Close() {
	c.t.mu.Lock()
	if !c.sub.link.Linked() || c.t.gone {
		c.t.mu.Unlock()
		return
	}
	c.t.subscribers.Remove(c.sub)
	c.t.mu.Unlock()
	smr.TryCall(c.b.dom, c.sub, 0, (*subscriber).end) // if not, nobody waits for it
}

// Delete deletes a topic. It waits for those who read it.
func (b *Broker) Delete(ctx context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stopped {
		return ErrStopped
	}
	return b.deleteLocked(ctx, name)
}

func (b *Broker) deleteLocked(ctx context.Context, name string) error {
	t, ok := b.topics.LoadAndDelete(name)
	if !ok {
		return ErrNoTopic
	}
	t.mu.Lock()
	t.gone = true
	for c := t.subscribers.Cursor(); c.Step(); {
		smr.Call(b.dom, c.Erase(), 0, (*subscriber).end)
	}
	t.mu.Unlock()
	return t.log.remove(ctx)
}

// Export writes the log of a topic to w.
func (b *Broker) Export(name string, w io.Writer) (int64, error) {
	s, t, err := b.enter(name)
	if err != nil {
		return 0, err
	}
	log := t.log.hold(s)
	s.Leave()
	defer log.release()
	return log.writeTo(w)
}

// Topics returns the names of the topics, with how many subscribers they have.
func (b *Broker) Topics() map[string]int {
	all := make(map[string]int)
	s, ok := b.dom.TryEnter()
	if !ok {
		return all
	}
	defer s.Leave()
	for name, t := range b.topics.All() {
		n := 0
		for range t.subscribers.All(s) {
			n++
		}
		all[name] = n
	}
	return all
}

// Close deletes all topics.
func (b *Broker) Close(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stopped = true
	var errs []error
	for name := range b.topics.Keys() {
		if err := b.deleteLocked(ctx, name); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, b.topics.Close(ctx), b.dom.Close(ctx))
	return errors.Join(errs...)
}

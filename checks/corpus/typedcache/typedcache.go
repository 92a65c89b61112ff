// Package typedcache is a cache of typed values, loaded once for all who ask at the same time. Values
// without pointers lie off the Go heap; who needs one for long holds it.
package typedcache

import (
	"context"
	"errors"
	"iter"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A Loader loads a value.
type Loader[K comparable, V any] func(ctx context.Context, k K) (V, error)

// An entry is a value with its times and marks.
type entry[V any] struct {
	value  V
	loaded int64 // nanoseconds
	pinned bool
}

// A flight is a load that is under way.
type flight[V any] struct {
	done  chan struct{}
	value V
	err   error
}

// Options configure a Cache.
type Options struct {
	Domain *smr.Domain
	Budget *slab.Budget
	TTL    time.Duration
	Now    func() time.Time
}

// A Cache has values.
type Cache[K comparable, V any] struct {
	o       Options
	load    Loader[K, V]
	entries *smrmap.Map[K, entry[V]]

	mu      sync.Mutex
	flights map[K]*flight[V]

	Loads atomic.Int64
}

// New returns an empty cache.
func New[K comparable, V any](o Options, load Loader[K, V]) (*Cache[K, V], error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	entries, err := smrmap.New[K, entry[V]](smrmap.Options{Domain: o.Domain, Budget: o.Budget})
	if err != nil {
		return nil, err
	}
	return &Cache[K, V]{o: o, load: load, entries: entries, flights: make(map[K]*flight[V])}, nil
}

func (c *Cache[K, V]) fresh(e *entry[V]) bool {
	return e.pinned || c.o.Now().UnixNano()-e.loaded < int64(c.o.TTL)
}

// Peek returns the value of a key if it is there and fresh, borrowed until s is left.
func (c *Cache[K, V]) Peek(s smr.Section, k K) *V {
	e, ok := c.entries.LoadIn(s, k)
	if !ok || !c.fresh(e) {
		return nil
	}
	return &e.value
}

// Get returns a copy of the value of a key, which it loads if need be.
func (c *Cache[K, V]) Get(ctx context.Context, k K) (V, error) {
	s := c.entries.Enter()
	if v := c.Peek(s, k); v != nil {
		copied := *v
		s.Leave()
		return copied, nil
	}
	s.Leave()
	return c.fly(ctx, k)
}

// fly loads a value, or waits for who does. No section is open.
func (c *Cache[K, V]) fly(ctx context.Context, k K) (v V, err error) {
	c.mu.Lock()
	f := c.flights[k]
	if f != nil {
		c.mu.Unlock()
		select {
		case <-f.done:
			return f.value, f.err
		case <-ctx.Done():
			return v, ctx.Err()
		}
	}
	if e, ok := c.entries.Load(k); ok && c.fresh(&e) {
		c.mu.Unlock()
		return e.value, nil // it has just landed
	}
	f = &flight[V]{done: make(chan struct{})}
	c.flights[k] = f
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		delete(c.flights, k)
		c.mu.Unlock()
		close(f.done)
	}()
	c.Loads.Add(1)
	f.err = errors.New("typedcache: the load has panicked")
	if f.value, f.err = c.load(ctx, k); f.err != nil {
		return f.value, f.err
	}
	err = c.entries.Store(k, entry[V]{value: f.value, loaded: c.o.Now().UnixNano()})
	if errors.Is(err, slab.ErrNoMemory) {
		err = nil // then it is not cached
	}
	return f.value, err
}

// With calls fn with the value of a key itself. fn must not keep it.
func (c *Cache[K, V]) With(ctx context.Context, k K, fn func(*V) error) error {
	called := false
	var err error
	c.entries.View(k, func(e *entry[V]) {
		if c.fresh(e) {
			called = true
			err = fn(&e.value)
		}
	})
	if called {
		return err
	}
	v, err := c.fly(ctx, k)
	if err != nil {
		return err
	}
	return fn(&v)
}

// A Ref is a value that is held.
type Ref[V any] struct {
	held smr.Held[entry[V]]
}

// Value returns the value, until Release.
func (r Ref[V]) Value() *V { return &r.held.Get().value }

// Release ends the hold.
func (r Ref[V]) Release() { r.held.Release() }

// Acquire holds the value of a key, which it loads if need be. The caller releases it.
func (c *Cache[K, V]) Acquire(ctx context.Context, k K) (r Ref[V], err error) {
	for range 3 {
		s := c.entries.Enter()
		h, ok := c.entries.Hold(s, k)
		s.Leave()
		if ok && c.fresh(h.Get()) {
			return Ref[V]{h}, nil
		}
		if ok {
			h.Release()
		}
		if _, err := c.fly(ctx, k); err != nil {
			return r, err
		}
	}
	return r, errors.New("typedcache: values do not stay")
}

// AcquireAll holds the values of several keys, or none.
func (c *Cache[K, V]) AcquireAll(ctx context.Context, keys ...K) (refs []Ref[V], err error) {
	defer func() {
		if err != nil {
			for _, r := range refs {
				r.Release()
			}
			refs = nil
		}
	}()
	for _, k := range keys {
		r, err := c.Acquire(ctx, k)
		if err != nil {
			return refs, err
		}
		refs = append(refs, r)
	}
	return refs, nil
}

// Pin makes a value stay fresh until it is dropped, and reports whether it is there.
func (c *Cache[K, V]) Pin(k K) bool {
	_, ok, err := c.entries.Compute(k, func(e entry[V], loaded bool) (entry[V], smrmap.Op) {
		if !loaded || e.pinned {
			return e, smrmap.CancelOp
		}
		e.pinned = true
		return e, smrmap.UpdateOp
	})
	return ok && err == nil
}

// Drop drops a key.
func (c *Cache[K, V]) Drop(k K) bool { return c.entries.Delete(k) }

// Fresh iterates over copies of what is fresh.
func (c *Cache[K, V]) Fresh() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		for k, e := range c.entries.All() {
			if c.fresh(&e) && !yield(k, e.value) {
				return
			}
		}
	}
}

// DropStale drops what is not fresh.
func (c *Cache[K, V]) DropStale() (n int) {
	for k, e := range c.entries.All() {
		if c.fresh(&e) {
			continue
		}
		_, _, err := c.entries.Compute(k, func(e entry[V], loaded bool) (entry[V], smrmap.Op) {
			if !loaded || c.fresh(&e) {
				return e, smrmap.CancelOp // it was loaded again
			}
			n++
			return e, smrmap.DeleteOp
		})
		if err != nil {
			break
		}
	}
	return n
}

// Close empties the cache, when all refs are released.
func (c *Cache[K, V]) Close(ctx context.Context) error { return c.entries.Close(ctx) }

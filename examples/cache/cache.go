package main

import (
	"context"
	"errors"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A Loader gets a value from where it is slow to get.
type Loader func(ctx context.Context, key string) ([]byte, error)

// Options configure a Cache.
type Options struct {
	Load    Loader
	TTL     time.Duration    // how long a value may be served
	Timeout time.Duration    // of a load
	Budget  int64            // bytes, for values and all that finds them
	Now     func() time.Time // default: time.Now
}

// A Cache keeps what a loader returned until it expires, or is evicted as the budget is used up. Its
// values are off the Go heap, so the collector does not see them. Callers that miss one key at the same
// time wait for one load.
type Cache struct {
	o      Options
	dom    *smr.Domain
	m      *smrmap.Bytes
	flight singleflight.Group

	ctx    context.Context // of the loads and of the sweeper
	cancel context.CancelFunc
	swept  chan struct{} // closed when the sweeper has ended

	hits, misses, loads, refused pcpu.Counter
}

// Stats are counts since New.
type Stats struct {
	Hits, Misses int64
	Loads        int64 // what misses had in common counts once
	Refused      int64 // values that the budget had no room for
	Map          smrmap.Stats
}

// New returns an empty cache.
func New(o Options) (*Cache, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	dom, err := smr.New(smr.Options{Name: "cache"})
	if err != nil {
		return nil, err
	}
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: slab.NewBudget(o.Budget), Now: o.Now})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background())) // nothing is in it: it does not wait
	}
	c := &Cache{o: o, dom: dom, m: m, swept: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	go c.sweep()
	return c, nil
}

// Get appends the value of a key to dst. The value is in the cache, or it is loaded.
func (c *Cache) Get(ctx context.Context, key string, dst []byte) ([]byte, error) {
	if value, ok := c.m.Load([]byte(key), dst); ok {
		c.hits.Add(1)
		return value, nil
	}
	c.misses.Add(1)
	// The load goes on if this caller gives up: others may wait for it.
	result := c.flight.DoChan(key, func() (any, error) { return c.load(key) })
	select {
	case r := <-result:
		if r.Err != nil {
			return dst, r.Err
		}
		return append(dst, r.Val.([]byte)...), nil
	case <-ctx.Done():
		return dst, ctx.Err()
	}
}

// load loads and stores a value. It must not be called in a section: to make room waits for readers.
func (c *Cache) load(key string) ([]byte, error) {
	if value, ok := c.m.Load([]byte(key), nil); ok {
		return value, nil // it came since the caller missed it
	}
	ctx, cancel := context.WithTimeout(c.ctx, c.o.Timeout)
	defer cancel()
	c.loads.Add(1)
	value, err := c.o.Load(ctx, key)
	if err != nil {
		return nil, err
	}
	item := smrmap.Item{Value: value, Expires: c.o.Now().Add(c.o.TTL).UnixMilli()}
	switch err := c.m.StoreEvicting(ctx, []byte(key), item); {
	case errors.Is(err, smrmap.ErrClosed):
		return nil, err
	case err != nil:
		c.refused.Add(1) // too large, or held up by readers: it is served all the same
	}
	return value, nil
}

// sweep frees values that have expired, a few at a time, also if no writer meets them.
func (c *Cache) sweep() {
	defer close(c.swept)
	tick := time.NewTicker(c.o.TTL/100 + time.Millisecond)
	defer tick.Stop()
	for cursor := uint64(0); ; {
		select {
		case <-tick.C:
			cursor = c.m.Sweep(cursor, 1000).Next
		case <-c.ctx.Done():
			return
		}
	}
}

// Stats returns a snapshot.
func (c *Cache) Stats() Stats {
	return Stats{c.hits.Load(), c.misses.Load(), c.loads.Load(), c.refused.Load(), c.m.Stats()}
}

// Close ends loads and the sweeper, and gives the memory back. A Get that comes later fails.
func (c *Cache) Close(ctx context.Context) error {
	c.cancel()
	<-c.swept
	return errors.Join(c.m.Close(ctx), c.dom.Close(ctx))
}

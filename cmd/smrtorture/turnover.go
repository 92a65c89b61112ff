package main

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// turnovers is maps whose keys are always new, as those of sessions and caches are: each key comes
// once, and goes when some thousands have come after it, or when memory is short. A map with as
// many entries as before takes no more memory than before, however many entries have passed through
// it.
type turnovers struct{}

const (
	windowKeys  = 12_000 // entries of the window, for which a table neither grows nor shrinks
	firstTurns  = 2      // after so many turnovers it takes what it takes
	windowSlack = 64 << 10

	cacheBudget = 4 << 20
	cacheStores = 1 << 15 // in a round of the cache
	cacheLeast  = 1 << 14 // entries that it holds when it is full, of some 50 bytes each
)

func (turnovers) join(r *rig) {
	dom := r.domain("window", nil)
	m, err := smrmap.New[uint64, uint64](smrmap.Options{Domain: dom})
	if err != nil {
		panic(err)
	}
	r.after(func() { r.faults.within("Close of the window", m.Close) })
	w := &window{m: m, dom: dom, faults: &r.faults}
	turns := r.counter("turnovers of a window")
	r.start("window", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			w.turn(p)
			r.writes.updates.Add(2 * windowKeys)
			turns.Add(1)
		}
	})

	budget := r.budget("the cache", cacheBudget, cacheBudget/forcedShare)
	cacheDomain := r.domain("cache", nil)
	b, err := smrmap.NewBytes(smrmap.Options{Domain: cacheDomain, Budget: budget.Budget})
	if err != nil {
		panic(err)
	}
	r.after(func() { r.faults.within("Close of the cache", b.Close) })
	c := &cache{m: b, faults: &r.faults}
	c.stored, c.refused = r.counter("new keys stored"), r.rare("new keys refused")
	r.after(func() { r.faults.refused(c.stored.Load(), c.refused.Load()) })
	r.start("cache", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			for i := range cacheStores {
				c.store(ctx)
				if i%64 == 0 {
					budget.look()
					p.beat()
				}
			}
			r.writes.updates.Add(cacheStores)
			c.compare(c.m.Len())
		}
	})
}

// A window is a map of the last keys that came.
type window struct {
	m      *smrmap.Map[uint64, uint64]
	dom    *smr.Domain
	faults *faults

	next  uint64 // the next key
	turns int
	least int64 // bytes beside entries, after the first turns
}

// turn stores as many new keys as there are old ones, and deletes those.
func (w *window) turn(p *pulse) {
	for range windowKeys {
		if err := w.m.Store(w.next, w.next); err != nil {
			w.faults.add(faultMap, "a store to the window: %v", err)
		}
		if w.next >= windowKeys && !w.m.Delete(w.next-windowKeys) {
			w.faults.add(faultMap, "key %d is not in the window", w.next-windowKeys)
		}
		if w.next++; w.next%64 == 0 {
			p.beat()
		}
	}
	w.turns++
	if err := w.dom.Barrier(context.Background()); err != nil {
		w.faults.add(faultWait, "Barrier: %v", err)
	}
	w.await(p)
	w.compare(w.m.Stats())
}

// await waits a while until the map takes no more than it may. During a replacement it has two
// tables; but as nothing is stored, the replacement ends.
func (w *window) await(p *pulse) {
	began := time.Now()
	for w.beside(w.m.Stats()) > w.most() && time.Since(began) < min(callTimeout, w.faults.patience) {
		if err := w.dom.Barrier(context.Background()); err != nil { // the readers of the old table have left
			w.faults.add(faultWait, "Barrier: %v", err)
		}
		p.beat()
	}
}

// beside returns how many bytes the map takes in addition to its entries.
func (w *window) beside(st smrmap.Stats) int64 {
	return st.ReservedBytes - st.EntryBytes - st.PendingBytes - st.FreeBytes
}

// most returns how many those may be.
func (w *window) most() int64 {
	if w.turns <= firstTurns {
		return math.MaxInt64
	}
	return w.least*5/4 + windowSlack
}

// compare checks what the map takes in addition to its entries.
func (w *window) compare(st smrmap.Stats) {
	if st.Len != windowKeys {
		w.faults.add(faultMap, "%d entries are in a window of %d", st.Len, windowKeys)
	}
	beside := w.beside(st)
	if w.turns <= firstTurns {
		w.least = max(w.least, beside)
	}
	if beside > w.most() {
		w.faults.add(faultMemory, "%d entries take %d bytes for their table after %d turnovers, and took %d after %d",
			st.Len, beside, w.turns, w.least, firstTurns)
	}
}

// A cache is a map that evicts when its budget is exhausted.
type cache struct {
	m               *smrmap.Bytes
	faults          *faults
	stored, refused *counter
	next            uint64
	full            bool
	key             []byte // scratch
}

// store stores a new key, and evicts what it needs.
func (c *cache) store(ctx context.Context) {
	c.next++
	c.key = binary.LittleEndian.AppendUint64(c.key[:0], c.next)
	value := c.key[:8]
	err := c.m.Store(c.key, value)
	if errors.Is(err, slab.ErrNoMemory) {
		c.full = true
		err = press(ctx, c.m, c.key, smrmap.Item{Value: value})
	}
	switch {
	case err == nil:
		c.stored.Add(1)
	case ctx.Err() != nil: // it gave up
	case errors.Is(err, slab.ErrNoMemory):
		c.refused.Add(1)
	default:
		c.faults.add(faultMap, "a store to the cache: %v", err)
	}
}

// compare checks that the cache holds what it has the memory for.
func (c *cache) compare(entries int) {
	if c.full && entries < cacheLeast {
		c.faults.add(faultMemory, "a full cache of %d bytes holds no more than %d entries of 16 bytes", cacheBudget, entries)
	}
}

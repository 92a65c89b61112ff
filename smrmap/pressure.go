package smrmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/slab"
)

// StoreEvicting is [Bytes.StoreItem] that makes room when the budget is used up, as
// [Bytes.ComputeEvicting] does.
func (m *Bytes) StoreEvicting(ctx context.Context, key []byte, it Item) error {
	err := m.StoreItem(key, it)
	if !errors.Is(err, slab.ErrNoMemory) {
		return err
	}
	_, err = m.computeEvicting(ctx, key, func(Item, bool) (Item, Op) { return it, UpdateOp })
	return err
}

// ComputeEvicting is [Bytes.Compute] that makes room when the budget is used up. It calls fn
// again after each attempt; fn must not rely on what an earlier call saw.
//
// It takes the mildest step that helps:
//
//   - it waits for what was retired before;
//   - it moves the entries of a slab to others of their size, where there is room for all of
//     them, and takes the slab;
//   - it evicts the bytes it needs, as [Bytes.EvictBytes] does, and moves what is left in some
//     slab to where those were.
//
// It needs a slab for entries of this size (64 KiB to 1 MiB), or above 64 KiB the entry's own
// size; up to twice that while more than the limit of the budget is in use, as after it was
// lowered. It evicts this once or twice over, since a slab that it empties may hold entries for
// which there is no room elsewhere; at most eight times, where others use what it evicts before a
// slab is empty. If there is memory, but neither a slot in the key's bucket nor room to chain
// another to it, it evicts one entry of that bucket. It never evicts the entry of key, nor what
// [Bytes.SetEvictable] spares.
//
// It returns an error that wraps [slab.ErrNoMemory], and has evicted nothing, if the budget
// can't hold the entry beside the table and the old value of key; and, then wrapping ctx.Err()
// as well, if readers did not leave before ctx ended. With the same errors it may have evicted in
// vain if readers stay from some later moment on, others take memory by [Bytes.Store] all the
// time, or the system refuses. Other errors are those of Compute.
//
// Any number of goroutines may call it. One at a time makes room in a budget, and keeps what it
// has made; the others wait, and then check whether there is room for them. It waits for readers,
// and so must not be called in a section of the domain.
//
// Cost: that of Compute while there is memory; otherwise some hundred microseconds for each
// megabyte that is moved, and three to ten grace periods.
func (m *Bytes) ComputeEvicting(ctx context.Context, key []byte, fn func(old Item, loaded bool) (Item, Op)) (ok bool, err error) {
	ok, err = m.Compute(key, fn)
	if !errors.Is(err, slab.ErrNoMemory) {
		return ok, err
	}
	return m.computeEvicting(ctx, key, fn)
}

// mostAttempts bounds how often computeEvicting makes room. Once is enough, unless fn
// wants more each time.
const mostAttempts = 4

// mostCrowded bounds how often computeEvicting makes room in a full bucket, which others may be
// quicker to use.
const mostCrowded = 64

// computeEvicting is ComputeEvicting after a first attempt found no memory.
func (m *Bytes) computeEvicting(ctx context.Context, key []byte, fn func(old Item, loaded bool) (Item, Op)) (ok bool, err error) {
	h := m.hashOf(key)
	p := pressure{m: m, key: key, hash: uint32(h >> 32), size: int(headerSize) + len(key)}
	// What is pending may suffice. And while readers stay it would evict in vain.
	if err := m.dom.Synchronize(ctx); err != nil {
		return false, p.stopped(err)
	}
	if err := m.dom.Barrier(ctx); err != nil {
		return false, p.stopped(err)
	}
	var block []byte
	giveBack := func() {
		if block != nil {
			m.blocks.Free(block[:cap(block)])
			block = nil
		}
	}
	defer giveBack() // also if fn panics
	crowded := 0
	for attempt := 0; ; attempt++ {
		ok, err = m.compute(key, func(old Item, loaded bool) (Item, Op) {
			it, op := fn(old, loaded)
			p.size = int(headerSize) + len(key) + len(it.Value)
			p.own = 0
			if loaded {
				p.own = slab.BlockSize(int(headerSize) + len(key) + len(old.Value))
			}
			return it, op
		}, &block)
		giveBack() // where fn wants one of another size now
		if !errors.Is(err, slab.ErrNoMemory) || attempt >= mostAttempts {
			return ok, err
		}
		if errors.Is(err, errCrowded) { // there is room, but not in this bucket
			if !p.thin(h) || crowded == mostCrowded {
				return ok, err
			}
			crowded++
			attempt--
			continue
		}
		if block, err = p.makeRoom(ctx); err != nil {
			return ok, err
		}
	}
}

// A pressure is one goroutine's need for memory for an entry.
type pressure struct {
	m    *Bytes
	key  []byte // whose entry is spared
	hash uint32 // of key, as in a header
	met  bool   // that entry was
	size int    // of the new entry
	own  int    // bytes of the old one's block
}

// mostRounds bounds how often makeRoom evicts what it needs. Alone it needs one round or
// two; with eight others at it, three were too few once in 100,000 stores.
const mostRounds = 8

// makeRoom returns a block for the entry, or an error that wraps slab.ErrNoMemory.
func (p *pressure) makeRoom(ctx context.Context) ([]byte, error) {
	c, err := compaction.Of(p.m.blocks).Claim(ctx, p.size)
	if err != nil {
		return nil, p.stopped(err)
	}
	defer c.End()
	block, err := c.Get() // others may have made room
	if err == nil || !errors.Is(err, slab.ErrNoMemory) {
		return block, err
	}
	if room := c.Room() - int64(p.own); c.Size() > room {
		return nil, fmt.Errorf("smrmap: %w: an entry of %d bytes takes %d, and what could be evicted for it is %d",
			slab.ErrNoMemory, p.size, c.Size(), max(0, room))
	}
	if err := p.compact(ctx, c); err != nil {
		return nil, p.stopped(err)
	}
	if Evictable(p.m.evictable.Load()) == EvictNone {
		return c.Get()
	}
	for range mostRounds {
		if block, err = c.Get(); err == nil {
			return block, nil
		}
		if err := p.evict(ctx, c); err != nil {
			return nil, p.stopped(err)
		}
		if block, err = c.Get(); err == nil {
			return block, nil
		}
		if _, err := c.Evacuate(ctx, func(block []byte) { p.m.vacate(block, p.spared) }); err != nil {
			return nil, p.stopped(err)
		}
	}
	if block, last := c.Get(); last == nil {
		return block, nil
	}
	return nil, err
}

// compact gives back slabs whose entries find room elsewhere, as long as memory is missing.
func (p *pressure) compact(ctx context.Context, c compaction.Claim) error {
	for fruitless := 0; c.Missing() > 0 && fruitless < 2; fruitless++ {
		released, err := c.Compact(ctx, func(block []byte) { p.m.vacate(block, spareAll) })
		if err != nil {
			return err
		}
		if released > 0 {
			fruitless = -1
		}
	}
	return nil
}

// spareAll evicts nothing.
func spareAll(*header) bool { return true }

// evict evicts what the claim misses, and waits for its readers.
func (p *pressure) evict(ctx context.Context, c compaction.Claim) error {
	need := c.Missing()
	if need == 0 { // it is the system that refuses
		need = c.Size()
	}
	p.met = false
	p.m.evict(int(min(need, math.MaxInt)), p.spared)
	if p.met {
		p.m.barren.Store(false) // to others it is not
	}
	return p.m.dom.Barrier(ctx)
}

// thin evicts one entry of the bucket that h belongs to, which frees its slot, and reports
// whether it found one.
func (p *pressure) thin(h uint64) bool {
	if Evictable(p.m.evictable.Load()) == EvictNone {
		return false
	}
	found := false
	n, _, _ := p.m.purge(h, func(e *header) bool {
		if found || p.spared(e) {
			return false
		}
		found = true
		return true
	})
	p.m.evicted.Add(uint64(n))
	return n > 0
}

// spared reports whether an entry must not be evicted for this one.
func (p *pressure) spared(e *header) bool {
	if e.hash == p.hash && bytes.Equal(e.key(), p.key) {
		p.met = true
		return true
	}
	return p.m.spared(e)
}

// stopped returns the error of a wait that ended with err.
func (p *pressure) stopped(err error) error {
	return fmt.Errorf("smrmap: %w: can't wait for memory for an entry of %d bytes: %w", slab.ErrNoMemory, p.size, err)
}

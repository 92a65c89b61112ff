package smrmap

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// StoreEvicting is [Bytes.StoreItem] that makes room when the budget is used up, as
// [Bytes.ComputeEvicting] does.
func (m *Bytes) StoreEvicting(ctx context.Context, key []byte, it Item) error {
	m.dom.CheckMayWait("smrmap: StoreEvicting")
	err := m.StoreItem(key, it)
	if !errors.Is(err, slab.ErrNoMemory) {
		return err
	}
	_, err = m.computeEvicting(ctx, key, func(Item, bool) (Item, Op) { return it, UpdateOp })
	return err
}

// ComputeEvicting is [Bytes.Compute] that makes room when the budget is used up. It calls fn again
// after each attempt; fn must not rely on what an earlier call saw.
//
// It takes the mildest step that helps:
//
//   - it waits for what was retired before, unless that is held;
//   - it moves the entries of a slab to others of their size, where there is room for all of them,
//     and takes the slab;
//   - it evicts the bytes it needs, as [Bytes.EvictBytes] does, and moves what is left in some slab
//     to where those were.
//
// It needs a slab for entries of this size (64 KiB to 1 MiB; of the first such slab 4 to 128 KiB), or
// above 64 KiB the entry's own size; up to twice that while usage is above the budget's limit, as
// after it was lowered. It takes what is free of that, and evicts the rest once or twice over, or what
// one slab of another size holds if that is more, since a slab that it empties may hold entries that
// fit nowhere else; at most eight times, and more each time, if others use what it evicts before a
// slab is empty. If all it lacks is a slot in the key's bucket, or room to chain another, it evicts
// one entry of that bucket. It never evicts the entry of key, nor what [Bytes.SetEvictable] spares, nor
// an entry of another map with the same budget. Where there is nothing to evict it waits for large entries
// that others are making.
//
// It evicts nothing and returns an error that wraps [slab.ErrNoMemory] if the budget can't hold the
// entry beside the table and the old value of key, or if readers did not leave before ctx ended; then
// the error wraps ctx.Err() as well. The same errors tell that it has evicted in vain: readers stayed
// later on, what it evicted is held, others kept taking memory by [Bytes.Store], the slab of the
// key's old value takes more than that, or the system refused. Other errors are those of Compute.
//
// One goroutine at a time makes room in a budget and keeps what it has made; others wait, then
// check whether there is room for them. It waits for readers, and so must not be called in a
// section of the domain.
//
// Cost: that of Compute while there is memory; otherwise some hundred microseconds per megabyte
// moved, and three to ten grace periods.
func (m *Bytes) ComputeEvicting(ctx context.Context, key []byte, fn func(old Item, loaded bool) (Item, Op)) (ok bool, err error) {
	m.dom.CheckMayWait("smrmap: ComputeEvicting")
	ok, err = m.Compute(key, fn)
	if !errors.Is(err, slab.ErrNoMemory) {
		return ok, err
	}
	return m.computeEvicting(ctx, key, fn)
}

const (
	// mostAttempts bounds how often computeEvicting makes room. Once will do if fn's demand stays.
	mostAttempts = 4
	// mostCrowded bounds how often it makes room in a full bucket: others may be quicker to use it.
	mostCrowded = 64
	// mostFruitless bounds how often makeRoom evicts and misses no less than before. Alone it does so
	// once or twice; with eight others at it, three were too few once in 100,000 stores.
	mostFruitless = 8

	// largestSlab is how many bytes a slab has at most.
	largestSlab = 1 << 20
)

// computeEvicting is ComputeEvicting after a first attempt found no memory.
func (m *Bytes) computeEvicting(ctx context.Context, key []byte, fn func(old Item, loaded bool) (Item, Op)) (ok bool, err error) {
	h := m.hashOf(key)
	p := pressure{m: m, key: key, hash: uint32(h >> 32), size: int(headerSize) + len(key)}
	// What is pending may be enough; and if readers stay, evicting would be in vain.
	if err := m.dom.Synchronize(ctx); err != nil {
		return false, p.stopped(err)
	}
	if err := held.Of(m.dom).Barrier(ctx); err != nil {
		return false, p.stopped(err)
	}
	var block []byte
	var s smr.Section // open from before the claim for the block ends: see evict
	giveBack := func() {
		if block != nil {
			m.blocks.Free(block[:cap(block)])
			block = nil
		}
		if s.Active() {
			s.Leave()
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
		giveBack() // if fn now wants one of another size
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
		if block, s, err = p.makeRoom(ctx); err != nil {
			return ok, orClosed(err)
		}
	}
}

// A pressure is one goroutine's need of memory for an entry.
type pressure struct {
	m    *Bytes
	key  []byte // its entry is spared
	hash uint32 // of key, as in a header
	met  bool   // evict has met the entry of key
	size int    // of the new entry
	own  int    // bytes of the old entry's block
}

// makeRoom returns a block for the entry in a section of its own, or an error that wraps slab.ErrNoMemory.
func (p *pressure) makeRoom(ctx context.Context) (block []byte, s smr.Section, err error) {
	c, err := compaction.Of(p.m.blocks).Claim(ctx, p.size)
	if err != nil {
		return nil, s, p.stopped(err)
	}
	defer c.End()
	if block, err = p.collect(ctx, c); err != nil {
		return nil, s, err
	}
	s, ok := p.m.dom.TryEnter()
	if !ok {
		p.m.blocks.Free(block)
		return nil, s, domainClosed(p.m.dom)
	}
	return block, s, nil
}

// collect is makeRoom with a claim.
func (p *pressure) collect(ctx context.Context, c compaction.Claim) ([]byte, error) {
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
	least := c.Missing()
	for fruitless := 0; fruitless < mostFruitless; {
		if block, err = c.Get(); err == nil {
			return block, nil
		}
		if err := p.evict(ctx, c, fruitless); err != nil {
			return nil, p.stopped(err)
		}
		if block, err = c.Get(); err == nil {
			return block, nil
		}
		if _, err := c.Evacuate(ctx, func(block []byte) { p.m.vacate(block, p.spared) }); err != nil {
			return nil, p.stopped(err)
		}
		if missing := c.Missing(); missing < least {
			least = missing
		} else {
			fruitless++
		}
	}
	return c.Get()
}

// compact empties slabs whose entries find room elsewhere, while memory is missing.
func (p *pressure) compact(ctx context.Context, c compaction.Claim) error {
	spareAll := func(*header) bool { return true }
	for fruitless := 0; c.Missing() > 0 && fruitless < 2; {
		released, err := c.Compact(ctx, func(block []byte) { p.m.vacate(block, spareAll) })
		if err != nil {
			return err
		}
		fruitless++
		if released > 0 {
			fruitless = 0
		}
	}
	return nil
}

// evict evicts the bytes that the claim misses, and waits until they are free. After rounds in which
// that gave nothing it evicts more: a slab goes only when what must stay of it finds room in others.
//
// If there is nothing to evict, the memory may be with writers whose entries are not in the map yet. Those
// of large ones are in sections from before they have it: so it waits for these, and the next round finds
// the entries.
func (p *pressure) evict(ctx context.Context, c compaction.Claim, fruitless int) error {
	need := c.Missing()
	if need == 0 { // the budget has room, but the system refuses
		need = c.Size()
	}
	need = max(need, min(need<<(2*fruitless), largestSlab))
	p.met = false
	retired := p.m.evict(int(min(need, math.MaxInt)), p.spared)
	if p.met {
		p.m.barren.Store(false) // others may evict the entry of key
	}
	if retired == 0 {
		if err := p.m.dom.Synchronize(ctx); err != nil {
			return err
		}
	}
	return held.Of(p.m.dom).Barrier(ctx)
}

// thin evicts one entry of h's bucket, to free its slot, and reports whether it found one.
func (p *pressure) thin(h uint64) bool {
	found := false
	n, _, _ := p.m.purge(h, evicted, func(e *header, claimed bool) bool {
		picked := !found && !claimed && !p.spared(e)
		found = found || picked
		return picked
	})
	p.m.evicted.Add(uint64(n))
	return found
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
	if err := orClosed(err); errors.Is(err, ErrClosed) { // not for want of memory
		return err
	}
	return fmt.Errorf("smrmap: %w: can't wait for memory for an entry of %d bytes: %w", slab.ErrNoMemory, p.size, err)
}

package slab

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched/atomic"
)

// A Claim collects the memory for one block under a budget that is used up: what is put
// back to the budget while the claim is open stays taken, and is kept for the block, until
// that has enough. So memory that its owner makes free, such as by evicting, is not given
// to others who want some all the time, and free bytes are enough where more than the limit
// is taken. It is made by [Blocks.Claim], belongs to one goroutine, and must be ended.
//
//	c, err := blocks.Claim(ctx, n)
//	defer c.End()
//	for block == nil {
//		evict(c.Missing())      // retire blocks, and wait for readers
//		c.Evacuate(ctx, vacate) // or empty slabs of other sizes
//		block, err = c.Get()
//	}
type Claim struct {
	b    *Blocks
	n    int   // bytes of the block
	need int64 // bytes of the budget
	want int64 // need, and what goes back to the budget for it

	// missing is what the claim still takes of what is put back: it begins with want. Written
	// by compare-and-swap of whoever puts bytes back, and set to 0, which ends that, by the
	// owner. Each sees what the other did, so no byte is counted twice or lost.
	missing atomic.Int64

	spent, ended bool // the owner's: nothing is held any more; the next one may begin
}

// Claim begins to collect memory for a block of n bytes. There is one claim for a budget at
// a time: others wait for it to end, and return ctx.Err() if ctx ends first. It waits for
// readers, too, with the errors of [smr.Domain.Barrier], and so must not be called inside a
// section. Claims of one budget must not be made in different testing/synctest bubbles.
//
// Where more than the limit of the budget is taken, the claim collects up to twice what it
// needs, and the rest goes back: so what is taken falls to the limit. It panics if n is
// negative.
func (b *Blocks) Claim(ctx context.Context, n int) (*Claim, error) {
	if n < 0 {
		panic("slab: Claim of a negative size")
	}
	if n > maxBlock {
		return nil, fmt.Errorf("%s: %w: %d bytes", b.name, ErrNoMemory, n)
	}
	if err := b.dom.Barrier(ctx); err != nil { // inside a callback, rather than wait for who waits for it
		return nil, err
	}
	c := &Claim{b: b, n: n, need: int64(BlockSize(n))}
	if n <= maxObject {
		c.need = int64(b.classes[class(n)].slabSize)
	}
	c.want = c.need
	if b.budget == nil {
		c.missing.Store(c.want)
		return c, nil
	}
	select {
	case b.budget.turns() <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if limit := b.budget.Limit(); limit != 0 {
		c.want += min(c.need, max(0, b.budget.Used()-limit))
	}
	c.missing.Store(c.want)
	b.budget.claim.Store(c)
	return c, nil
}

// turns returns the lock of claims.
func (b *Budget) turns() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.turn == nil {
		b.turn = make(chan struct{}, 1)
	}
	return b.turn
}

// offer takes what the claim misses of n bytes that are put back, and returns how many.
func (c *Claim) offer(n int64) int64 {
	for {
		missing := c.missing.Load()
		m := min(n, missing)
		if m == 0 {
			return 0
		}
		if c.missing.CompareAndSwap(missing, missing-m) {
			return m
		}
	}
}

// Size returns how many bytes the block takes from the budget, if it has to: a slab or,
// above 64 KiB, its own.
func (c *Claim) Size() int64 { return c.need }

// Missing returns how many bytes must still be put back for Get to have memory.
func (c *Claim) Missing() int64 { return c.missing.Load() }

// Room returns an upper bound of what may become free for the block: all that its [Blocks]
// have taken, and what is left of the budget, or less what is taken beyond it.
func (c *Claim) Room() int64 {
	room := c.b.Stats().ReservedBytes
	budget := c.b.budget
	if budget == nil {
		return room
	}
	room += c.want - c.Missing()
	if limit := budget.Limit(); limit != 0 {
		room += limit - budget.Used()
	}
	return room
}

// Get returns the block: one that is free, as [Blocks.Get] does, or from the memory that
// was collected. It returns an error that wraps [ErrNoMemory] if neither is there, and may
// then be called again.
func (c *Claim) Get() ([]byte, error) {
	defer runtime.KeepAlive(c.b)
	block, err := c.b.Get(c.n)
	if err == nil || !errors.Is(err, ErrNoMemory) || !c.spend() {
		return block, err
	}
	if c.n > maxObject {
		return c.b.allocLarge(c.n)
	}
	s := &c.b.classes[class(c.n)]
	m := s.emptyMagazine()
	if err := s.growBy(m); err != nil {
		s.keep(m)
		return nil, err
	}
	p := s.load(m)
	s.check.got(p)
	return unsafe.Slice((*byte)(p), s.size)[:c.n], nil
}

// spend takes what the block needs from what was collected, and puts back the rest. It
// reports false, and does nothing, if there is not enough.
func (c *Claim) spend() bool {
	if c.b.budget == nil || c.spent || c.want-c.Missing() < c.need {
		return false
	}
	c.putBack(c.need)
	return true
}

// putBack ends the collecting, and puts back all but keep bytes of what was collected.
func (c *Claim) putBack(keep int64) {
	if c.spent {
		return
	}
	c.spent = true
	held := c.want - c.missing.Swap(0)
	if c.b.budget != nil {
		c.b.budget.Put(held - keep) // which the claim takes no part in any more
	}
}

// Compact is Evacuate of slabs for whose blocks there is room in others of their size. It
// returns 0 if there are none.
func (c *Claim) Compact(ctx context.Context, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(c.b)
	most, _ := c.b.victims(c.n)
	return most.evacuateAlone(ctx, 1, vacate)
}

// Evacuate is [Blocks.Evacuate] of as many slabs as are missing, at most maxEvacuated.
func (c *Claim) Evacuate(ctx context.Context, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(c.b)
	most, largest := c.b.victims(c.n)
	if most == nil {
		most = largest
	}
	return most.evacuateAlone(ctx, min(c.Missing(), maxEvacuated), vacate)
}

// maxEvacuated bounds what is evacuated at a time: its blocks can't be given out meanwhile.
const maxEvacuated = 8 << 20

// End puts back what was collected and not used, and lets the next claim begin. It may be
// called more than once.
func (c *Claim) End() {
	c.putBack(0)
	if budget := c.b.budget; budget != nil && !c.ended {
		budget.claim.Store(nil)
		<-budget.turns()
	}
	c.ended = true
}

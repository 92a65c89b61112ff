package slab

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/held"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A claim is a [compaction.Claim].
type claim struct {
	b    *Blocks
	n    int   // bytes of the block
	need int64 // bytes that the block takes from the budget: what its store grows by
	want int64 // bytes to collect: need, and what brings the budget back to its limit

	// missing is how many bytes are still to be collected; at first want. Budget.Release lowers
	// it by compare-and-swap. The owner ends the collecting by swapping in 0. Each sees what
	// the other did, so no byte is counted twice or lost.
	missing satomic.Int64

	spent, ended bool // the owner's: nothing is held any more; the next claim may begin
}

// Claim is [compaction.Blocks.Claim].
func (b compactor) Claim(ctx context.Context, n int) (compaction.Claim, error) {
	if n < 0 {
		panic("slab: Claim of a negative size")
	}
	if n > maxBlock {
		return nil, fmt.Errorf("%s: %w: %d bytes", b.name, ErrNoMemory, n)
	}
	if err := held.Of(b.dom).Barrier(ctx); err != nil { // fails inside a callback, for which another claim may wait
		return nil, err
	}
	c := &claim{b: b.Blocks, n: n, need: int64(BlockSize(n))}
	if b.budget != nil {
		if err := lock(ctx, b.budget.turns()); err != nil {
			return nil, err
		}
	}
	if n <= maxObject { // asked in turn: an evacuation by the claim before changes it
		size, _ := b.classes[class(n)].heap.growth()
		c.need = int64(size)
	}
	c.want = c.need
	if b.budget == nil {
		c.missing.Store(c.want)
		return c, nil
	}
	if limit := b.budget.Limit(); limit != 0 {
		c.want += min(c.need, max(0, b.budget.Used()-limit))
	}
	c.missing.Store(c.want)
	b.budget.claim.Store(c)
	return c, nil
}

// lock takes a lock, a channel with room for one, also if ctx has ended, if it is free.
func lock(ctx context.Context, l chan struct{}) error {
	select {
	case l <- struct{}{}:
		return nil
	default:
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// turns returns Budget.turn, and makes it first if need be.
func (b *Budget) turns() chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.turn == nil {
		b.turn = make(chan struct{}, 1)
	}
	return b.turn
}

// offer gives the claim up to n bytes that are put back, and returns how many it takes.
func (c *claim) offer(n int64) int64 {
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

// Size and the methods below are those of [compaction.Claim].
func (c *claim) Size() int64 { return c.need }

func (c *claim) Missing() int64 { return max(0, c.missing.Load()-c.b.budget.room()) }

func (c *claim) Room() int64 {
	room := c.b.Stats().ReservedBytes
	budget := c.b.budget
	if budget == nil {
		return room
	}
	room += c.want - c.missing.Load()
	if limit := budget.Limit(); limit != 0 {
		room += limit - budget.Used()
	}
	return room
}

func (c *claim) Get() ([]byte, error) {
	defer runtime.KeepAlive(c.b)
	block, err := c.b.Get(c.n)
	if err == nil || !errors.Is(err, ErrNoMemory) || !c.spend() {
		return block, err
	}
	return c.getSpent()
}

// getSpent is Get of a new slab, or a step of one, or a mapping, after spend.
func (c *claim) getSpent() ([]byte, error) {
	if c.n > maxObject {
		return c.b.allocLarge(c.n)
	}
	s := &c.b.classes[class(c.n)]
	m := s.depot.getEmpty()
	size := uintptr(c.need)
	if size == s.slabSize || !s.heap.open(m) { // where others have opened the last step, another slab begins
		if err := s.growBy(size, m); err != nil {
			return nil, err // m is empty: the collector has it
		}
	}
	if s.depot.isClosed() { // asked after growBy, so Close has counted m, or is seen here
		s.keep(m)
		return nil, s.errClosed()
	}
	p := s.load(m)
	s.check.got(p)
	return unsafe.Slice((*byte)(p), s.size)[:c.n], nil
}

// spend takes what the block needs from the collected bytes and, if they are too few, from the budget,
// and puts back the rest. It does nothing and reports false if both are not enough.
func (c *claim) spend() bool {
	if c.b.budget == nil || c.spent {
		return false
	}
	rest := max(0, c.need-(c.want-c.missing.Load()))
	if rest > 0 && c.b.budget.reserve(rest) != nil { // above the limit even 0 is refused
		return false
	}
	c.putBack(c.need - rest)
	return true
}

// putBack ends the collecting, and puts back all but keep of the collected bytes.
func (c *claim) putBack(keep int64) {
	if c.spent {
		return
	}
	c.spent = true
	held := c.want - c.missing.Swap(0)
	if c.b.budget != nil {
		c.b.budget.Release(held - keep) // of which offer takes nothing: missing is 0
	}
}

func (c *claim) Compact(ctx context.Context, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(c.b)
	roomy, _ := c.b.victims(c.n)
	return roomy.evacuateAlone(ctx, 1, vacate)
}

func (c *claim) Evacuate(ctx context.Context, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(c.b)
	for {
		_, victim := c.b.victims(c.n)
		size, err := victim.evacuateAlone(ctx, min(c.Missing(), maxEvacuated), vacate)
		released += size
		// One slab will do, unless it was not opened to its end. (Without a budget nothing is collected.)
		if err != nil || size == 0 || size >= int64(victim.slabSize) || c.Missing() == 0 || c.b.budget == nil {
			return released, err
		}
	}
}

// maxEvacuated bounds how much is evacuated at a time: its blocks can't be given out meanwhile.
const maxEvacuated = 8 << 20

func (c *claim) End() {
	c.putBack(0)
	if budget := c.b.budget; budget != nil && !c.ended {
		budget.claim.Store(nil)
		<-budget.turns()
	}
	c.ended = true
}

// Package compaction is what package smrmap needs of slab.Blocks beside its API: to empty
// slabs by moving the blocks in them, and to collect memory for one block. Package slab
// implements it.
package compaction

import "context"

// Of returns what a *slab.Blocks can do. Package slab sets it as it is initialized.
var Of func(blocks any) Blocks

// Blocks are a *slab.Blocks. All methods may be called by any number of goroutines.
type Blocks interface {
	// Evacuate gives the memory of one slab back to the budget, so that blocks of n bytes
	// can have it: where sizes change, memory would else stay with the sizes it was first
	// used for. Of the sizes other than that of n bytes (of all, if n is negative) it takes
	// the one with the most free blocks in its slabs, or else the largest one, and of that
	// the slab with the fewest blocks in use. Blocks above 64 KiB are in no slab.
	//
	// It calls vacate for each block of the slab that may be in use. A block may also be
	// retired, or on the way to its first user, which writes to it: so vacate must check
	// whether the block is where its users would find it. If it is, vacate may move what is
	// in it to another block (see GetFree) or do without, unlinks it, and retires it. Blocks
	// that were retired are not given out again meanwhile. Blocks that were on the way to a
	// user are asked for a second time. vacate must not call Evacuate.
	//
	// It returns how many bytes went back to the budget: 0 if there is no slab of another
	// size, or some block of the slab is still in use; then the slab is as before, but for
	// what was vacated. Calls for one size wait for one another, and for readers: it returns
	// the errors of smr.Domain.Barrier, and must not be called inside a section.
	//
	// Cost: a fence on all processors, one or two calls of vacate for each block of 64 KiB or
	// more, and two or three grace periods. Idea: memcached's slab rebalancer.
	Evacuate(ctx context.Context, n int, vacate func(block []byte)) (released int64, err error)

	// GetFree is slab.Blocks.Get for what is free in slabs: it takes no memory from the
	// budget, and returns nil if there is nothing, or n is above 64 KiB.
	GetFree(n int) []byte

	// Claim begins to collect memory for a block of n bytes. A budget has one claim at a
	// time: others wait for it to end, and return ctx.Err() if ctx ends first. It waits for
	// readers, too, with the errors of smr.Domain.Barrier, and so must not be called inside a
	// section. Claims of one budget must not be made in different testing/synctest bubbles.
	//
	// Where more than the limit of the budget is taken, the claim collects up to twice what it
	// needs, and the rest goes back: so what is taken falls to the limit. It panics if n is
	// negative.
	Claim(ctx context.Context, n int) (Claim, error)
}

// A Claim collects the memory for one block under a budget that is used up: what is put
// back to the budget while the claim is open stays taken, and is kept for the block, until
// that has enough. So memory that its owner makes free, such as by evicting, is not given
// to others, and free bytes are enough where more than the limit is taken. It belongs to one
// goroutine, and must be ended.
//
//	c, err := blocks.Claim(ctx, n)
//	defer c.End()
//	for block == nil {
//		evict(c.Missing())      // retire blocks, and wait for readers
//		c.Evacuate(ctx, vacate) // or empty slabs of other sizes
//		block, err = c.Get()
//	}
type Claim interface {
	// Size returns how many bytes the block takes from the budget, if it has to: a slab or,
	// above 64 KiB, its own.
	Size() int64

	// Missing returns how many bytes must still be put back for Get to have memory.
	Missing() int64

	// Room returns an upper bound of what may become free for the block: all that its Blocks
	// have taken, and what is left of the budget, or less what is taken beyond it.
	Room() int64

	// Get returns the block: one that is free, as slab.Blocks.Get does, or from the memory
	// that was collected. It returns an error that wraps slab.ErrNoMemory if neither is
	// there, and may then be called again.
	Get() ([]byte, error)

	// Compact is Evacuate of slabs for whose blocks there is room in others of their size. It
	// returns 0 if there are none.
	Compact(ctx context.Context, vacate func(block []byte)) (released int64, err error)

	// Evacuate is that of Blocks for as many slabs as are missing, at most 8 MiB.
	Evacuate(ctx context.Context, vacate func(block []byte)) (released int64, err error)

	// End puts back what was collected and not used, and lets the next claim begin. It may be
	// called more than once.
	End()
}

// Package compaction declares what package smrmap needs of slab.Blocks beyond its API: to empty
// slabs by moving the blocks in them, and to collect memory for one block. Package slab
// implements it.
package compaction

import "context"

// Of returns the methods below for a *slab.Blocks. Set while package slab is initialized.
var Of func(blocks any) Blocks

// Blocks are a *slab.Blocks. All methods may be called by any number of goroutines.
type Blocks interface {
	// Evacuate gives the memory of one slab back to the budget, so that blocks of n bytes can
	// use it: memory would stay with the sizes it was first used for. Of the sizes other than
	// that of n bytes (of all, if n is negative) it picks the one with the most free blocks in
	// its slabs, or else the largest one, and of that size the slab with the fewest blocks in
	// use. Blocks above 64 KiB are in no slab.
	//
	// It calls vacate for each block of the slab that may be in use. The block may also be
	// retired, or on the way to its first user, which writes to it. So vacate must check
	// whether the block is where its users find it. If so, vacate may move its contents to
	// another block (see GetFree) or drop them, unlinks the block, and retires it. Retired
	// blocks of the slab are not given out again meanwhile. vacate is called a second time for
	// blocks that were on the way to a user. It must not call Evacuate.
	//
	// Evacuate returns how many bytes went back to the budget: 0 if there is no slab of another
	// size, or some block of the slab is still in use; then the slab stays, less what was
	// vacated. Calls for one size wait for one another, and for readers. Evacuate returns the
	// errors of smr.Domain.Barrier, and must not be called inside a section.
	//
	// Cost: a fence on all processors, one or two calls of vacate for each block of 64 KiB or
	// more, and two or three grace periods. Idea: memcached's slab rebalancer.
	Evacuate(ctx context.Context, n int, vacate func(block []byte)) (released int64, err error)

	// GetFree is slab.Blocks.Get without taking memory from the budget. It returns nil if no
	// block is free, or n is above 64 KiB.
	GetFree(n int) []byte

	// GetUncharged is slab.Blocks.Get of a block that, above 64 KiB, counts neither in the budget nor
	// among the bytes in use before Charge. Free gives it back before and after; it must not be
	// retired before.
	GetUncharged(n int) ([]byte, error)

	// Charge takes the bytes of a block of GetUncharged from the budget, with the errors of
	// slab.Blocks.Get; then the block stays as it was. It does nothing the second time.
	Charge(block []byte) error

	// Claim begins to collect memory for a block of n bytes. A budget has one claim at a time:
	// others wait for it to end, and return ctx.Err() if ctx ends first. Claim also waits for
	// readers, with the errors of smr.Domain.Barrier, so it must not be called inside a
	// section. Claims of one budget must not be made in different testing/synctest bubbles.
	//
	// If more than the limit of the budget is taken, the claim collects up to twice what it
	// needs and gives back the rest, so that what is taken falls to the limit. Claim panics if
	// n is negative.
	Claim(ctx context.Context, n int) (Claim, error)
}

// A Claim collects the memory for one block under a budget that is used up. Bytes put back to
// the budget while the claim is open stay taken, and are kept for the block until it has enough.
// So memory that the claimant frees, such as by evicting, does not go to others, and the claim
// gets it even where more than the limit is taken. A Claim belongs to one goroutine, and must be
// ended.
//
//	c, err := blocks.Claim(ctx, n)
//	defer c.End()
//	for block == nil {
//		evict(c.Missing())      // retire blocks, and wait for readers
//		c.Evacuate(ctx, vacate) // or empty slabs of other sizes
//		block, err = c.Get()
//	}
type Claim interface {
	// Size returns how many bytes the block takes from the budget if no block is free: a slab
	// or, above 64 KiB, its own size.
	Size() int64

	// Missing returns how many bytes must still be put back before Get has enough.
	Missing() int64

	// Room returns an upper bound of the bytes that may become free for the block: all that
	// its Blocks have taken, plus what is left of the budget, or less the excess over its limit.
	Room() int64

	// Get returns the block: a free one, as slab.Blocks.Get does, or one from the collected
	// memory. If there is neither, it returns an error that wraps slab.ErrNoMemory, and may be
	// called again.
	Get() ([]byte, error)

	// Compact is Evacuate of a slab whose blocks have room in others of their size. It returns 0
	// if there is none.
	Compact(ctx context.Context, vacate func(block []byte)) (released int64, err error)

	// Evacuate is that of Blocks for as many slabs as are missing, at most 8 MiB.
	Evacuate(ctx context.Context, vacate func(block []byte)) (released int64, err error)

	// End puts back the collected bytes that were not used, and lets the next claim begin. It
	// may be called more than once.
	End()
}

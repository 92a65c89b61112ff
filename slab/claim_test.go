package slab

import (
	"context"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// newClaimed returns Blocks that have used their budget of limit bytes up by blocks of n.
func newClaimed(t *testing.T, limit int64, n int) (b *Blocks, blocks [][]byte) {
	b = NewBlocks(newDomain(t), Options{Budget: NewBudget(limit)})
	for {
		block, err := b.Get(n)
		if err != nil {
			require.ErrorIs(t, err, ErrNoMemory)
			break
		}
		blocks = append(blocks, block)
	}
	t.Cleanup(func() {
		require.NoError(t, b.Close(context.Background()))
		require.Zero(t, b.budget.Used())
		require.Nil(t, b.budget.claim.Load())
	})
	return b, blocks
}

// What is put back while a claim is open is the claim's, also where others want memory.
func TestClaim_KeepsWhatIsPutBack(t *testing.T) {
	const limit = 1 << 20
	for _, n := range []int{10, 60_000, 100_000, 500_000} {
		b, blocks := newClaimed(t, limit, 128<<10)
		used := b.budget.Used()
		c, err := compactor{b}.Claim(watchdogContext(t), n)
		require.NoError(t, err)
		require.Equal(t, c.Size(), c.Missing())
		require.Equal(t, int64(limit), c.Room())
		for c.Missing() > 0 {
			_, err := c.Get()
			require.ErrorIs(t, err, ErrNoMemory)
			b.Free(blocks[0])
			blocks = blocks[1:]
			if c.Missing() > 0 {
				_, err := b.Get(128 << 10)
				require.ErrorIs(t, err, ErrNoMemory, "others have nothing of it")
			}
			require.LessOrEqual(t, b.budget.Used(), used)
		}
		require.Equal(t, int64(limit), c.Room())
		block, err := c.Get()
		require.NoError(t, err)
		require.Len(t, block, n)
		require.LessOrEqual(t, b.budget.Used(), int64(limit))
		c.End()
		c.End()
		b.Free(block)
		for _, block := range blocks {
			b.Free(block)
		}
	}
}

// A claim that ends without a block has taken nothing.
func TestClaim_EndPutsBack(t *testing.T) {
	b, blocks := newClaimed(t, 1<<20, 128<<10)
	used := b.budget.Used()
	c, err := compactor{b}.Claim(watchdogContext(t), 500_000)
	require.NoError(t, err)
	b.Free(blocks[0])
	require.Equal(t, used, b.budget.Used())
	c.End()
	require.Equal(t, used-128<<10, b.budget.Used())
	for _, block := range blocks[1:] {
		b.Free(block)
	}
}

// There is one claim at a time, and who waits for it may give up.
func TestClaim_OneAtATime(t *testing.T) {
	b, blocks := newClaimed(t, 1<<20, 128<<10)
	ctx := watchdogContext(t)
	c, err := compactor{b}.Claim(ctx, 10)
	require.NoError(t, err)
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	_, err = compactor{b}.Claim(canceled, 10)
	require.ErrorIs(t, err, context.Canceled)
	var wg sync.WaitGroup
	wg.Go(func() {
		c, err := compactor{b}.Claim(ctx, 10)
		if err == nil {
			c.End()
		}
	})
	c.End()
	wg.Wait()
	for _, block := range blocks {
		b.Free(block)
	}
}

// A claim whose turn it is has it each time, though its context has ended.
func TestClaim_EndedContext(t *testing.T) {
	b, blocks := newClaimed(t, 1<<20, 128<<10)
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	for range 64 {
		c, err := compactor{b}.Claim(canceled, 10)
		require.NoError(t, err)
		c.End()
	}
	for _, block := range blocks {
		b.Free(block)
	}
}

// Where more than the limit is taken, twice what is needed is collected, and the half of
// that goes back.
func TestClaim_OverTheLimit(t *testing.T) {
	b, blocks := newClaimed(t, 2<<20, 128<<10)
	b.budget.SetLimit(1 << 20)
	c, err := compactor{b}.Claim(watchdogContext(t), 256<<10)
	require.NoError(t, err)
	require.EqualValues(t, 512<<10, c.Missing())
	for range 4 {
		b.Free(blocks[0])
		blocks = blocks[1:]
	}
	require.Zero(t, c.Missing())
	block, err := c.Get()
	require.NoError(t, err)
	require.EqualValues(t, 2<<20-256<<10, b.budget.Used())
	c.End()
	b.Free(block)
	for _, block := range blocks {
		b.Free(block)
	}
}

// Without a budget a claim asks the system.
func TestClaim_NoBudget(t *testing.T) {
	b := NewBlocks(newDomain(t), Options{})
	for _, n := range []int{0, 10, 1 << 20} {
		c, err := compactor{b}.Claim(watchdogContext(t), n)
		require.NoError(t, err)
		block, err := c.Get()
		require.NoError(t, err)
		b.Free(block)
		c.End()
	}
	require.Panics(t, func() { compactor{b}.Claim(context.Background(), -1) })
	require.NoError(t, b.Close(watchdogContext(t)))
}

// A slab is emptied for the claim only as far as there is room for what was in it, by
// Compact; or in any case, by Evacuate.
func TestClaim_CompactAndEvacuate(t *testing.T) {
	b, s, live := newCrowd(t, 4)
	ctx := watchdogContext(t)
	c, err := compactor{b}.Claim(ctx, 1000)
	require.NoError(t, err)
	released, err := c.Compact(ctx, func([]byte) { t.Error("there is no room for others") })
	require.NoError(t, err)
	require.Zero(t, released)
	freed := 0
	for p, block := range live {
		if freed < s.perSlab+s.perSlab/2 {
			delete(live, p)
			b.Free(block)
			freed++
		}
	}
	released, err = c.Compact(ctx, func(block []byte) {
		fresh := compactor{b}.GetFree(evacuated)
		require.NotNil(t, fresh)
		live[unsafe.Pointer(unsafe.SliceData(fresh))] = fresh
		retirer(b, live)(block)
	})
	require.NoError(t, err)
	require.EqualValues(t, s.slabSize, released)
	require.Zero(t, c.Missing())
	c.End()

	c, err = compactor{b}.Claim(ctx, 3*int(s.slabSize))
	require.NoError(t, err)
	released, err = c.Evacuate(ctx, retirer(b, live))
	require.NoError(t, err)
	require.EqualValues(t, 3*s.slabSize, released)
	require.Empty(t, live)
	require.Zero(t, c.Missing())
	c.End()
}

func TestClaim_Refused(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(1 << 20)
	b := NewBlocks(d, Options{Budget: budget})
	_, err := compactor{b}.Claim(watchdogContext(t), maxBlock+1)
	require.ErrorIs(t, err, ErrNoMemory, "larger than there is")
	var inCallback error
	d.CallFunc(0, func() { _, inCallback = compactor{b}.Claim(context.Background(), 1) })
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.ErrorIs(t, inCallback, smr.ErrInCallback)

	require.NoError(t, budget.Reserve(100))
	c, err := compactor{b}.Claim(watchdogContext(t), 1)
	require.NoError(t, err)
	require.Panics(t, func() { budget.Release(150) }, "more than was taken, with a claim open")
	require.EqualValues(t, 100, budget.Used())
	c.End()
	require.EqualValues(t, 100, budget.Used())
	budget.Release(100)
	require.NoError(t, b.Close(watchdogContext(t)))
}

package slab

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// A block has room for what it is gotten for, whatever the size, and a larger size has no
// smaller block.
func TestBlockSize_AllSizes(t *testing.T) {
	sizes := []int{0, 1}
	for shift := 1; shift < 63; shift++ {
		if size := int64(1) << shift; size < math.MaxInt {
			sizes = append(sizes, int(size-1), int(size), int(size)+1)
		}
	}
	sizes = append(sizes, math.MaxInt-64<<10, math.MaxInt-64<<10+1, math.MaxInt-1, math.MaxInt)
	last := 0
	for _, n := range sizes {
		size := BlockSize(n)
		require.GreaterOrEqual(t, size, n)
		require.GreaterOrEqual(t, size, last, "for %d bytes", n)
		last = size
	}
	require.Equal(t, math.MaxInt, last)
	require.Equal(t, math.MaxInt, BlockSize(maxBlock+1))
	require.Contains(t, panicText(t, func() { BlockSize(-1) }), "negative size")
	require.Contains(t, panicText(t, func() { BlockSize(math.MinInt) }), "negative size")
}

// A block that is too large is an error, and takes nothing.
func TestBlocks_SizesNearTheEndOfInt(t *testing.T) {
	d := newDomain(t)
	budget := NewBudget(1 << 29)
	b := NewBlocks(d, Options{Budget: budget})
	for _, n := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt - 64<<10, maxBlock + 1, maxBlock, maxBlock - 1} {
		_, err := b.Get(n)
		require.ErrorIs(t, err, ErrNoMemory, "%d bytes", n)
	}
	require.Zero(t, b.Stats().ReservedBytes)
	require.Zero(t, budget.Used())
	require.Nil(t, compactor{b}.GetFree(math.MaxInt))
	require.NoError(t, b.Close(watchdogContext(t)))
}

// What is used is never more than can be counted, and what fails counts nothing.
func TestBudget_SizesNearTheEndOfInt(t *testing.T) {
	for _, limit := range []int64{0, math.MaxInt64, math.MaxInt64 - 1} {
		b := NewBudget(limit)
		require.NoError(t, b.Take(math.MaxInt64-10))
		require.ErrorIs(t, b.Take(11), ErrNoMemory)
		require.ErrorIs(t, b.Take(math.MaxInt64), ErrNoMemory)
		b.Force(10) // above the limit, if there is one
		require.Equal(t, int64(math.MaxInt64), b.Used())
		require.Contains(t, panicText(t, func() { b.Force(1) }), "more than can be counted")
		require.Contains(t, panicText(t, func() { b.Force(math.MaxInt64) }), "more than can be counted")
		require.ErrorIs(t, b.Take(1), ErrNoMemory)
		require.Equal(t, int64(math.MaxInt64), b.Used())
		b.Put(math.MaxInt64 - 1)
		require.Contains(t, panicText(t, func() { b.Put(2) }), "more bytes than were taken")
		require.Contains(t, panicText(t, func() { b.Put(math.MaxInt64) }), "more bytes than were taken")
		require.EqualValues(t, 1, b.Used(), "a Put that fails gives nothing back")
		b.SetLimit(1)
		require.ErrorIs(t, b.Take(math.MaxInt64), ErrNoMemory)
		b.Put(1)
		require.Zero(t, b.Used())
	}
	var none *Budget
	for name, call := range map[string]func(int64){"Take": func(n int64) { none.Take(n) }, "Force": none.Force, "Put": none.Put} {
		call(math.MaxInt64)
		require.Contains(t, panicText(t, func() { call(-1) }), "slab: "+name+" of a negative size")
	}
}

// Objects are counted in 64 bits also where a pool can have more than an int counts.
func TestStats_MoreObjectsThanInt(t *testing.T) {
	d := newDomain(t)
	p := New[byte](d, Options{})
	const slabs = 1 << 20
	p.s.heap.slabs = make([]*slab, slabs)
	p.s.heap.reserved = slabs * int64(p.s.slabSize)
	st := p.Stats()
	require.Equal(t, int64(slabs)*int64(p.s.perSlab), st.FreeBytes)
	p.s.heap.slabs, p.s.heap.reserved = nil, 0
	closeEmpty(t, p)
}

package smrmap

import (
	"math"
	"runtime"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

// A table has room for the Capacity that is permitted, whatever the length of an int: sizes
// don't overflow.
func TestCapacity_TableHasRoomForIt(t *testing.T) {
	for _, capacity := range []int{
		0, 1, 31, 32, 1000, 107_374_182, 107_374_183, 130_000_000, maxCapacity/2 + 1, maxCapacity - 1, maxCapacity,
	} {
		logn := logFor(capacity)
		require.GreaterOrEqual(t, logn, minBits, "Capacity %d", capacity)
		require.LessOrEqual(t, logn, maxBits, "Capacity %d", capacity)
		require.LessOrEqual(t, int64(capacity), int64(1)<<logn*slotsPerBucket*loadNum/loadDen, "Capacity %d", capacity)
		require.LessOrEqual(t, bytesOf(1<<logn), int64(math.MaxInt), "Capacity %d", capacity)
		require.NoError(t, (&Options{Capacity: capacity}).normalize())
	}
	for _, capacity := range []int{maxCapacity + 1, math.MaxInt/2 + 1, math.MaxInt - 1, math.MaxInt} {
		require.ErrorContains(t, (&Options{Capacity: capacity}).normalize(), "Options.Capacity too large")
	}
	for _, capacity := range []int{-1, math.MinInt} {
		require.ErrorContains(t, (&Options{Capacity: capacity}).normalize(), "negative Options.Capacity")
	}
}

// A huge Capacity is an error, or has a table to match; no size overflows.
func TestCapacity_HugeHasATableOrAnError(t *testing.T) {
	for _, capacity := range []int{math.MaxInt, math.MaxInt/4 + 1, math.MaxInt/4 + 2, 1 << (strconv.IntSize - 3), 1 << (strconv.IntSize - 10)} {
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("Capacity %d: panic: %v", capacity, p)
				}
			}()
			m, err := New[int, int](Options{Domain: newDomain(t), Capacity: capacity, Budget: nil})
			if err != nil {
				return
			}
			tab := m.c.table.Load()
			if tab.n <= 0 || tab.shift == 0 || int64(tab.n)*4 < int64(capacity)/2 {
				t.Errorf("Capacity %d: no error, and a table of %d buckets, shift %d", capacity, tab.n, tab.shift)
			}
		}()
	}
}

// A map that could not be made leaves nothing behind that its budget refers to.
func TestNew_FailedLeavesNothingInTheBudget(t *testing.T) {
	d := newDomain(t)
	budget := slab.NewBudget(100)
	measure := func() uint64 {
		var st runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&st)
		return st.HeapAlloc
	}
	before := measure()
	for range 500 {
		_, err := NewBytes(Options{Domain: d, Budget: budget})
		require.ErrorIs(t, err, slab.ErrNoMemory)
	}
	after := measure()
	runtime.KeepAlive(budget)
	require.Less(t, int64(after)-int64(before), int64(1<<20), "500 maps that could not be made stay in the budget")
}

// With an error comes no map.
func TestNew_ErrorReturnsNil(t *testing.T) {
	m, err := New[int, int](Options{Domain: newDomain(t), Budget: slab.NewBudget(100)})
	require.Error(t, err)
	require.Nil(t, m)
}

package smrmap

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
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

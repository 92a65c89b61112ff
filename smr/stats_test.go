package smr

import (
	"context"
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// PendingBytes is exact, or as much as it can say, and comes back to nothing.
func TestPendingBytes_SumsOfSizes(t *testing.T) {
	t.Run("Exact", func(t *testing.T) {
		d := newDomain(t, Options{})
		s := enterElsewhere(d)
		sizes := []int{0, 1, largeSize - 1, largeSize, largeSize + 1, 1<<30 + 5, min(maxSize, 1<<40+7)}
		want := int64(0)
		for _, size := range sizes {
			d.CallFunc(size, func() {})
			want += int64(size)
			require.Equal(t, want, d.Stats().PendingBytes)
		}
		d.CallFunc(Expedite, func() {})
		require.Equal(t, want, d.Stats().PendingBytes, "it counts as 0")
		s.Leave()
		require.NoError(t, d.Barrier(watchdogContext(t)))
		require.Zero(t, d.Stats().PendingBytes)
	})
	t.Run("Saturates", func(t *testing.T) {
		d := newDomain(t, Options{})
		s := enterElsewhere(d)
		const n = 1<<17 + 3 // of 2^47 bytes each: more than 2^64
		last := int64(0)
		for i := range n {
			d.CallFunc(maxSize, func() {})
			if i%1024 == 0 {
				pending := d.Stats().PendingBytes
				require.Positive(t, pending)
				require.GreaterOrEqual(t, pending, last)
				last = pending
			}
		}
		want := int64(math.MaxInt64)
		if size := int64(maxSize); size < want/n {
			want = n * size // as it is where an int has 32 bits
		}
		require.Equal(t, want, d.Stats().PendingBytes)
		canceled, cancel := context.WithCancel(context.Background())
		cancel()
		require.ErrorIs(t, d.Throttle(canceled), context.Canceled, "more is pending than MaxPending")
		s.Leave()
		ctx := watchdogContext(t)
		require.NoError(t, d.Barrier(ctx))
		require.Zero(t, d.Stats().PendingBytes)
		require.NoError(t, d.Throttle(canceled))

		// Refused by the closed domain, a large call leaves nothing behind.
		require.NoError(t, d.Close(ctx))
		require.Panics(t, func() { d.CallFunc(maxSize, func() {}) })
		require.Zero(t, d.Stats().PendingBytes)
		require.Zero(t, d.reclaim.handedOver.Load())
	})
}

package buffer

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestGet_Sizes(t *testing.T) {
	for _, n := range []int{0, 1, Base, Base + 1, 2 * Base, 3 * Base, maxPooled, maxPooled + 1, 5_000_000} {
		b := Get(n)
		require.Len(t, b.B, 0)
		require.GreaterOrEqual(t, cap(b.B), n)
		require.Equal(t, Size(n), cap(b.B))
		Put(b)
	}
}

func TestBudget_Try(t *testing.T) {
	b := NewBudget(100)
	require.True(t, b.Try(60))
	require.False(t, b.Try(41))
	require.True(t, b.Try(40))
	b.Release(60)
	require.EqualValues(t, 40, b.Used())
	require.True(t, b.Try(60))
}

// Who waits gets its room in turn, and what is larger than the limit gets it when
// it is alone.
func TestBudget_AcquireInTurn(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b := NewBudget(100)
	require.NoError(t, b.Acquire(ctx, 1000))
	order := make(chan int)
	for i, n := range []int{80, 50} {
		w := b.enqueue(n)
		go func() {
			if b.wait(ctx, w) == nil {
				order <- i
			}
		}()
	}
	b.Release(1000)
	require.Equal(t, 0, <-order)
	b.Release(80)
	require.Equal(t, 1, <-order)
	b.Release(50)
	require.Zero(t, b.Used())
}

// Who wants much does not wait for ever for those who want little, one after the
// other.
func TestBudget_TryLeavesRoomToWaiters(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	b := NewBudget(100)
	require.True(t, b.Try(40))
	w := b.enqueue(90)
	require.False(t, b.Try(10))
	require.True(t, b.TryAhead(10))
	b.Release(40)
	require.NoError(t, b.wait(ctx, w))
	b.Release(100)
	require.True(t, b.Try(10))
}

func TestBudget_AcquireCanceled(t *testing.T) {
	b := NewBudget(100)
	require.True(t, b.Try(100))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, b.Acquire(ctx, 1), context.Canceled)
	b.Release(100)
	require.Zero(t, b.Used())
}

// Who can do without leaves half.
func TestBudget_TrySpare(t *testing.T) {
	b := NewBudget(10)
	require.False(t, b.TrySpare(6))
	require.True(t, b.TrySpare(3))
	require.False(t, b.TrySpare(3))
	require.True(t, b.TrySpare(2))
	require.True(t, b.Try(5))
	require.False(t, b.TrySpare(0))
	b.Release(10)
	require.Zero(t, b.Used())
}

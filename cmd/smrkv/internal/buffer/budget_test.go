package buffer

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// newClients returns clients of a budget, and which of them were disconnected.
func newClients(limit int64, n int) (b *Budget, clients []*Client, cut []bool) {
	b = NewBudget(limit)
	cut = make([]bool, n)
	for i := range n {
		c := new(Client)
		c.Init(b, func() { cut[i] = true })
		clients = append(clients, c)
	}
	return b, clients, cut
}

func (b *Budget) total() int64 {
	queries, replies := b.Used()
	return queries + replies
}

func TestBudget_Try(t *testing.T) {
	b, c, cut := newClients(100, 1)
	require.True(t, c[0].Queries.Try(60))
	require.False(t, c[0].Queries.Try(41))
	require.True(t, c[0].Replies.Try(40))
	require.False(t, c[0].Replies.Try(1))
	require.False(t, cut[0], "it is told so")
	c[0].Queries.Release(60)
	require.EqualValues(t, 40, b.total())
	require.True(t, c[0].Queries.Try(60))
	require.EqualValues(t, 100, c[0].held)
}

// Queries and replies are counted once, together; the largest clients go, and no more of
// them than need be.
func TestBudget_LargestIsDisconnected(t *testing.T) {
	b, c, cut := newClients(100, 4)
	require.True(t, c[0].Queries.Try(20))
	require.True(t, c[1].Queries.Try(20))
	require.True(t, c[1].Replies.Try(20))
	require.True(t, c[2].Queries.Try(30))
	require.True(t, c[3].Queries.Try(30))
	require.Equal(t, []bool{false, true, false, false}, cut)
	require.EqualValues(t, 120, b.total(), "until it is gone")
	require.False(t, c[0].Queries.Try(25), "it would be the largest itself")
	require.Equal(t, []bool{false, true, false, false}, cut)
	c[1].Queries.Release(20)
	c[1].Replies.Release(20)
	require.EqualValues(t, 80, b.total())
	require.True(t, c[0].Queries.Try(20))
	require.EqualValues(t, 1, b.Evicted())
	c[2].Evict()
	require.EqualValues(t, 2, b.Evicted())
	require.True(t, c[0].Queries.Try(30), "what it holds does not count any more")
	c[2].Evict()
	require.EqualValues(t, 2, b.Evicted())
}

// A lower limit holds at once.
func TestBudget_SetLimit(t *testing.T) {
	b, c, cut := newClients(100, 3)
	for i, n := range []int{10, 20, 30} {
		require.True(t, c[i].Queries.Try(n))
	}
	b.SetLimit(35)
	require.Equal(t, []bool{false, false, true}, cut)
	b.SetLimit(5)
	require.Equal(t, []bool{true, true, true}, cut)
}

// One that is spared stays as long as another holds something, and has no more room than all
// others.
func TestBudget_Spare(t *testing.T) {
	_, c, cut := newClients(100, 3)
	c[0].Spare(true)
	require.True(t, c[1].Queries.Try(30))
	require.True(t, c[0].Queries.Try(90))
	require.Equal(t, []bool{false, true, false}, cut, "smaller, and not spared")
	require.False(t, c[0].Queries.Try(11), "more than there is")
	require.False(t, c[2].Queries.Try(11), "the others do not disconnect it")
	require.True(t, c[2].Queries.Try(10))
	c[0].Queries.Take(10) // it holds that already
	require.Equal(t, []bool{false, true, true}, cut)

	b, c, cut := newClients(100, 3)
	for i, n := range []int{60, 50, 40} {
		c[i].Spare(true)
		c[i].Replies.Take(n)
	}
	require.Equal(t, []bool{true, false, false}, cut, "the largest, where all are spared")
	require.EqualValues(t, 150, b.total())
	c[1].Spare(false)
	require.False(t, c[1].Queries.Try(60), "the one that asks is the first to go")
	require.Equal(t, []bool{true, false, false}, cut)
}

// Take is for what is held already.
func TestBudget_Take(t *testing.T) {
	b, c, cut := newClients(100, 2)
	c[0].Queries.Take(60)
	c[1].Queries.Take(70)
	require.Equal(t, []bool{false, true}, cut)
	require.EqualValues(t, 130, b.total())
}

// Who waits gets its room in turn, and what is larger than the limit gets it when
// no other waits for its client.
func TestBudget_AcquireInTurn(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	b, c, cut := newClients(100, 4)
	require.True(t, c[3].Queries.Try(10))
	require.NoError(t, c[0].Replies.Acquire(ctx, 1000))
	order := make(chan int)
	for i, n := range []int{80, 50} {
		w := c[i+1].Replies.enqueue(n)
		go func() {
			if b.wait(ctx, w) == nil {
				order <- i
			}
		}()
	}
	c[0].Replies.Release(1000)
	require.Equal(t, 0, <-order)
	c[1].Replies.Release(80)
	require.Equal(t, 1, <-order)
	c[2].Replies.Release(50)
	require.EqualValues(t, 10, b.total())
	require.NotContains(t, cut, true)
}

// Queries that fill the budget do not hold up replies: each has its turn.
func TestBudget_QueriesDoNotHoldUpReplies(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	_, c, _ := newClients(100, 2)
	require.True(t, c[0].Queries.Try(100))
	require.False(t, c[1].Replies.Try(50))
	require.NoError(t, c[1].Replies.Acquire(ctx, 50))
}

// Who waits and is disconnected does not wait any more.
func TestBudget_DisconnectedWaiter(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	b, c, cut := newClients(100, 3)
	require.True(t, c[0].Replies.Try(20))
	require.True(t, c[1].Queries.Try(70))
	w := c[1].Replies.enqueue(50)
	other := c[2].Replies.enqueue(60)
	require.True(t, c[0].Queries.Try(20))
	require.ErrorIs(t, b.wait(ctx, w), ErrDisconnected)
	require.NoError(t, b.wait(ctx, other))
	require.ErrorIs(t, c[1].Replies.Acquire(ctx, 1), ErrDisconnected)
	require.Equal(t, []bool{false, true, false}, cut)
}

func TestBudget_AcquireCanceled(t *testing.T) {
	b, c, _ := newClients(100, 1)
	require.True(t, c[0].Replies.Try(100))
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	require.ErrorIs(t, c[0].Replies.Acquire(ctx, 1), context.Canceled)
	c[0].Replies.Release(100)
	require.Zero(t, b.total())
	require.Panics(t, func() { c[0].Replies.Release(1) })
}

// Who can do without leaves half, and nobody is disconnected for it.
func TestBudget_TrySpare(t *testing.T) {
	b, c, cut := newClients(10, 2)
	require.False(t, c[0].Queries.TrySpare(6))
	require.True(t, c[0].Queries.TrySpare(3))
	require.False(t, c[0].Queries.TrySpare(3))
	require.True(t, c[0].Queries.TrySpare(2))
	require.True(t, c[1].Queries.Try(5))
	require.False(t, c[1].Queries.TrySpare(1))
	require.False(t, c[1].Queries.TryAhead(1))
	c[1].Queries.Release(5)
	require.True(t, c[1].Queries.TryAhead(5))
	require.NotContains(t, cut, true)
	require.EqualValues(t, 10, b.total())
}

// TakeAhead exceeds the bound, and the next who asks has the largest disconnected for it.
func TestBudget_TakeAhead(t *testing.T) {
	b, c, cut := newClients(100, 2)
	c[0].Replies.TakeAhead(120)
	require.EqualValues(t, 120, b.total())
	require.Equal(t, []bool{false, false}, cut)
	require.False(t, c[0].Replies.TryAhead(1))
	require.True(t, c[1].Queries.Try(10))
	require.Equal(t, []bool{true, false}, cut)
	c[0].Replies.Release(120)
	require.EqualValues(t, 10, b.total())
}

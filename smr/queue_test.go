package smr

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// Parts of chunks are kept by ticket, whichever worker is the first to park some.
func TestOutstanding_AddParts(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 100 {
		var l outstanding
		all := make(map[*chunk]bool)
		for _, i := range rnd.Perm(8) {
			parts := make([]*chunk, 1+rnd.IntN(3))
			for k := range parts {
				parts[k] = new(chunk)
				all[parts[k]] = true
			}
			l.addParts(parts, uint64(i/2+1))
		}
		require.True(t, l.passed(0))
		require.False(t, l.passed(1))
		for ticket := uint64(1); l.n > 0; {
			require.Equal(t, len(all), l.n)
			n := 0
			var before *chunk
			for c := l.oldest; c != nil; c = c.newer {
				require.Equal(t, before, c.older)
				if before != nil {
					require.LessOrEqual(t, before.ticket, c.ticket)
				}
				before = c
				n++
			}
			require.Equal(t, l.newest, before)
			require.Equal(t, l.n, n)
			c := l.oldest
			if rnd.IntN(2) > 0 {
				c = l.newest
			}
			l.remove(c)
			delete(all, c)
			if ticket = 1; l.oldest != nil {
				ticket = l.oldest.ticket
			}
			require.Equal(t, l.oldest == nil, l.passed(ticket))
		}
	}
}

// Chunks stand in the order of their goals, and of their insertion where those are the same.
func TestChunkQueue_Insert(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		var q chunkQueue
		var want []*chunk
		for i := range 8 {
			c := &chunk{goal: Seq(100 + rnd.IntN(4)), n: i + 1, bytes: 10}
			at := slices.IndexFunc(want, func(o *chunk) bool { return c.goal.Before(o.goal) })
			if at < 0 {
				at = len(want)
			}
			want = slices.Insert(want, at, c)
			q.insert(c)
			require.Equal(t, want[len(want)-1], q.tail)
		}
		require.Equal(t, len(want), q.n)
		require.Equal(t, amount{calls: 36, bytes: 80}, q.amount)
		for _, c := range want {
			require.Same(t, c, q.pop())
		}
		require.Nil(t, q.pop())
		require.Zero(t, q.amount)
		require.EqualValues(t, len(want), q.popped)
	}
}

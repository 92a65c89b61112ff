//go:build unix && !race

package slab

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/self"
)

// leaveNoMemory has the system refuse each later slab and large block.
func leaveNoMemory(t *testing.T) {
	pages.Refuse()
	others := NewBlocks(newDomain(t), Options{}) // what is reserved already has room for slabs
	for _, n := range []int{maxObject + 1, maxObject, 16} {
		for i := 0; ; i++ {
			_, err := others.Get(n)
			if err != nil {
				require.ErrorIs(t, err, ErrNoMemory)
				break
			}
			require.Less(t, i, 1<<20)
		}
	}
}

// What a claim has collected goes back to the budget if the system refuses the memory.
func TestClaim_SystemRefuses(t *testing.T) {
	self.InChild(t, func() string {
		self.Settle()
		ctx := watchdogContext(t)
		budget := NewBudget(1 << 20)
		b := NewBlocks(newDomain(t), Options{Budget: budget})
		leaveNoMemory(t)
		for _, n := range []int{100, maxObject + 1} {
			claimed, err := compactor{b}.Claim(ctx, n)
			require.NoError(t, err)
			c := claimed.(*claim)
			require.NoError(t, budget.Reserve(c.want))
			budget.Release(c.want)
			require.Zero(t, c.Missing(), "it has what it needs of the budget")
			require.Equal(t, c.need, budget.Used())

			_, err = c.Get()
			require.ErrorIs(t, err, ErrNoMemory)
			require.ErrorContains(t, err, "mmap", "not for want of budget")
			require.Zero(t, budget.Used())
			c.End()
			require.Zero(t, budget.Used())
		}
		require.NoError(t, b.Close(ctx))
		return ""
	})
}

// The system gets the spares back before a slab is refused for want of its memory.
func TestSpares_GoForSlab(t *testing.T) {
	needsSpares(t)
	self.InChild(t, func() string {
		self.Settle()
		b := withSpares(t, 1<<20)
		b.Free(getBlock(t, b, 1<<20))
		leaveNoMemory(t)
		require.NotZero(t, spareBytes(t, b.budget))
		_, err := b.Get(100)
		require.ErrorIs(t, err, ErrNoMemory)
		require.Zero(t, spareBytes(t, b.budget))
		require.EqualValues(t, 64<<20, b.budget.Used())
		require.NoError(t, b.Close(watchdogContext(t)))
		return ""
	})
}

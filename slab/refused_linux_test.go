//go:build !race

package slab

import (
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/self"
)

// leaveNoMemory has the process take all that the system has for it, so that each later slab and
// large block is refused.
func leaveNoMemory(t *testing.T) (skip string) {
	if os.Getenv(self.Emulator) != "" {
		return "the limit is the emulator's, too"
	}
	if err := unix.Setrlimit(unix.RLIMIT_AS, &unix.Rlimit{}); err != nil {
		return "setrlimit: " + err.Error()
	}
	others := NewBlocks(newDomain(t), Options{}) // what is reserved already has room for slabs
	for _, n := range []int{maxObject + 1, maxObject, 16} {
		for i := 0; ; i++ {
			_, err := others.Get(n)
			if err != nil {
				require.ErrorIs(t, err, ErrNoMemory)
				break
			}
			if i == 1<<20 {
				return "the system does not observe such a limit"
			}
		}
	}
	return ""
}

// What a claim has collected goes back to the budget if the system refuses the memory.
func TestClaim_SystemRefuses(t *testing.T) {
	self.InChild(t, func() string {
		self.Settle()
		ctx := watchdogContext(t)
		budget := NewBudget(1 << 20)
		b := NewBlocks(newDomain(t), Options{Budget: budget})
		if skip := leaveNoMemory(t); skip != "" {
			return skip
		}
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

package asym

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/litmus"
	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
)

// Both sides store a word and load the other's: at least one sees what the other stored.
func TestFence_OneSideSeesTheOther(t *testing.T) {
	for name, fence := range map[string]Fence{"New": New(), "Both": Both()} {
		t.Run(name, func(t *testing.T) { litmus.StoreLoad(t, fence.Light, fence.Heavy) })
	}
}

// The frequent side fences only where it stores plainly and the kernel offers no membarrier.
func TestNew_LeavesTheFenceToTheRareSide(t *testing.T) {
	require.Equal(t, relacq.Plain && !membarrier.Available(), New().both)
	require.Equal(t, relacq.Plain, Both().both)
}

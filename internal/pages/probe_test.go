package pages

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestProbe_RefusesWhatNoSystemHas(t *testing.T) {
	for _, size := range []uint64{0, 1, probed - 1, probed, probed + 1, 64 << 20} {
		require.NoError(t, Probe(size), "%d bytes", size)
	}
	for _, size := range []uint64{1 << 62, math.MaxInt64, math.MaxInt64 + 1, math.MaxUint64 - 1, math.MaxUint64} {
		require.ErrorIs(t, Probe(size), ErrNoMemory, "%d bytes", size)
	}
}

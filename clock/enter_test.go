package clock

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Whatever an entry's generation is, it is an exception while a flag is set, or each is sampled.
func TestExceptions_EveryGeneration(t *testing.T) {
	for _, high := range []uint64{0, 1 << 32, 1<<64 - 1<<32} {
		for _, low := range []uint64{0, genBits + 1, 1 << 31, 1<<32 - 2*(genBits+1), 1<<32 - (genBits + 1)} {
			for _, gen := range []uint64{high + low, high + low | genPinned} {
				for _, flags := range []uint32{exceptFenced, exceptSealed, exceptFenced | exceptSealed} {
					require.Less(t, uint32(gen), flags, "generation %#x", gen)
				}
				require.Less(t, uint32(gen), everyEntry, "generation %#x", gen)
			}
		}
	}
	require.NotZero(t, exceptFenced&fencedFlag)
	require.Zero(t, exceptFenced&sealedFlag)
	require.NotZero(t, exceptSealed&sealedFlag)
	require.Zero(t, exceptSealed&fencedFlag)
	require.Zero(t, everyEntry&(fencedFlag|sealedFlag))
}

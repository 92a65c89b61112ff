//go:build unix && !race

package pages

import (
	"math"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

func newGuard(t *testing.T, pages uintptr, readable bool) *Guard {
	g, err := NewGuard(pages*PageSize, readable)
	require.NoError(t, err)
	return g
}

// share bounds the pages of all guards together to n more, until the test ends.
func share(t *testing.T, n int64) {
	old := mostOpened
	n += everOpened.Load()
	mostOpened = func() int64 { return n }
	t.Cleanup(func() { mostOpened = old })
}

// A page counts once, however often it is open, until its guard ends; those of a readable guard
// count for the next one.
func TestGuard_ShareOfMappings(t *testing.T) {
	share(t, 4)
	before := everOpened.Load()
	g, other := newGuard(t, 8, false), newGuard(t, 8, true)
	for range 3 {
		require.NoError(t, g.Open(0, 3*PageSize))
		require.True(t, g.Shut(0, 3*PageSize))
	}
	require.NoError(t, other.Open(0, PageSize))
	allocs := testing.AllocsPerRun(10, func() { require.Same(t, errMappings, g.Open(3*PageSize, PageSize)) })
	require.Zero(t, allocs)
	require.Error(t, other.Open(PageSize, PageSize))
	require.NoError(t, g.Open(PageSize, PageSize), "one that was open before")
	g.End()
	require.NoError(t, other.Open(PageSize, 3*PageSize))
	other.End()
	require.Equal(t, before+4, everOpened.Load())
	again := newGuard(t, 8, true)
	require.Same(t, other, again)
	require.NoError(t, again.Open(0, 4*PageSize))
	again.End()
}

func TestMostMappings(t *testing.T) {
	require.Positive(t, mostMappings())
	require.LessOrEqual(t, mostOpened(), int64(math.MaxInt64/4))
}

// Pages of which the system shuts some and refuses the rest are opened again; if it refuses that, too,
// they may not be touched, and Shut says so.
func TestGuard_ShutInPart(t *testing.T) {
	g := newGuard(t, 3, false)
	defer g.End()
	mprotect := system.mprotect
	r := &refusing{}
	refuse(t, r)
	for _, reopened := range []bool{true, false} {
		require.NoError(t, g.Open(0, 3*PageSize))
		r.mprotect = func(b block, prot int) bool {
			if prot == untouched {
				require.NoError(t, mprotect(b.bytes()[:PageSize], prot))
				return true
			}
			return !reopened
		}
		require.Equal(t, !reopened, g.Shut(0, 3*PageSize))
		r.mprotect = nil
		if reopened {
			written(t, g.Base(), 3*PageSize)
		}
	}
	require.NoError(t, g.Open(0, 3*PageSize))
	written(t, g.Base(), 3*PageSize)
}

// Pages that the system opens in part are shut again.
func TestGuard_OpenInPart(t *testing.T) {
	g := newGuard(t, 2, false)
	defer g.End()
	r := &refusing{}
	refuse(t, r)
	r.mprotect = func(b block, prot int) bool { return prot == protection }
	require.Error(t, g.Open(0, 2*PageSize))
	r.mprotect = nil
	require.NoError(t, g.Open(0, 2*PageSize))
	written(t, unsafe.Add(g.Base(), PageSize), PageSize)
}

// A guard that is cleared keeps its addresses, and takes no memory.
func TestGuard_Clear(t *testing.T) {
	g := newGuard(t, 2, true)
	require.NoError(t, g.Open(0, 2*PageSize))
	written(t, g.Base(), 2*PageSize)
	g.Clear()
	require.Zero(t, *(*byte)(g.Base()), "it is readable")
	require.NoError(t, g.Open(0, 2*PageSize))
	require.Zero(t, *(*byte)(g.Base()))
	g.End()
}

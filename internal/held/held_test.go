package held

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestSet(t *testing.T) {
	for _, n := range []int{0, 1, 2, 3, 4, 5, 1000} {
		var once, twice []uintptr
		for i := range n {
			a := uintptr(0x1000 + i*8)
			once = append(once, a)
			twice = append(twice, a, a)
		}
		set := NewSet(twice)
		require.Equal(t, 2*n, set.Len())
		for i := range 2 * n {
			require.Equal(t, i < n, set.Has(uintptr(0x1000+i*8)))
		}
		require.False(t, set.Has(0x1001))
		require.ElementsMatch(t, once, slices.Collect(set.All))
		for range set.All {
			break
		}
	}
}

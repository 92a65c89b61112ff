//go:build invariants && unix && !race

package pages

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// A copy has whole pages, as few as hold it; all are lent until it is recalled.
func TestLend_WholePages(t *testing.T) {
	lentPages := func() (n int) {
		for _, out := range lent.out {
			if out {
				n++
			}
		}
		return n
	}
	before := lentPages()
	for size, want := range map[int]int{1: 1, pageSize - 1: 1, pageSize: 1, pageSize + 1: 2, 2 * pageSize: 2, mostLent: mostLent / pageSize} {
		p := Lend(size)
		require.NotNil(t, p)
		require.Zero(t, int(uintptr(p))%pageSize)
		require.Equal(t, want, lentPages()-before, "%d bytes", size)
		for i := range size {
			*(*byte)(unsafe.Add(p, i)) = 7
		}
		require.True(t, IsLent(p))
		require.True(t, IsLent(unsafe.Add(p, size-1)))
		Recall(p, size, false)
		require.Equal(t, before, lentPages(), "%d bytes", size)
	}
	require.Nil(t, Lend(mostLent+1))
}

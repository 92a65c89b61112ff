//go:build !race && !invariants

package pages

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// Memory that went back in small blocks comes again as a huge page.
func TestHuge_AfterSmallBlocks(t *testing.T) {
	if !hugeAgain(t) {
		t.Skip("this kernel gives no huge page, or not where there were small ones")
	}
	const n = MaxBlock / MinBlock
	base := wholeBlock(t)
	for range 3 {
		Free(base, MaxBlock)
		var small [n]unsafe.Pointer
		for i := range small {
			p, err := Alloc(MinBlock)
			require.NoError(t, err)
			small[i] = p
			clearPages(p, MinBlock)
		}
		require.Equal(t, base, small[0], "the lowest address first")
		for _, p := range small {
			Free(p, MinBlock)
		}
		require.Equal(t, base, wholeBlock(t))
		require.True(t, becomesHuge(t, base))
	}
	Free(base, MaxBlock)
}

// A sparse block takes memory only where it was touched, whatever huge pages there are.
func TestHuge_SparseBlocksAreNot(t *testing.T) {
	if !hugeAgain(t) {
		t.Skip("this kernel gives no huge page")
	}
	p, err := AllocSparse(MaxBlock)
	require.NoError(t, err)
	require.False(t, becomesHuge(t, p))
	Free(p, MaxBlock)
}

func wholeBlock(t *testing.T) unsafe.Pointer {
	p, err := Alloc(MaxBlock)
	require.NoError(t, err)
	return p
}

// hugeAgain tries on memory of its own whether the kernel can do what is tested.
func hugeAgain(t *testing.T) bool {
	p, err := reserve(MaxBlock, MaxBlock)
	require.NoError(t, err)
	adviseHuge(block{p, MaxBlock})
	require.NoError(t, protect(block{p, MaxBlock}, protection))
	defer unix.MunmapPtr(p, MaxBlock)
	if !becomesHuge(t, p) {
		return false
	}
	for i := range uintptr(MaxBlock / MinBlock) {
		decommit(unsafe.Add(p, i*MinBlock), MinBlock)
	}
	decommit(p, MaxBlock)
	return becomesHuge(t, p)
}

// clearPages writes to each page.
func clearPages(p unsafe.Pointer, size uintptr) {
	for i := uintptr(0); i < size; i += 4096 {
		*(*byte)(unsafe.Add(p, i)) = 0
	}
}

// becomesHuge writes to each page of a MaxBlock that has no memory yet, and reports
// whether it got one huge page.
func becomesHuge(t *testing.T, p unsafe.Pointer) bool {
	before := hugeKiB(t, p)
	clearPages(p, MaxBlock)
	return hugeKiB(t, p) == before+MaxBlock>>10
}

// hugeKiB returns how much of the mapping that p is in is in huge pages.
func hugeKiB(t *testing.T, p unsafe.Pointer) (size int) {
	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	in := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			in = uintptr(p) >= from && uintptr(p) < to
		}
		if in && strings.HasPrefix(line, "AnonHugePages:") {
			_, err := fmt.Sscanf(line, "AnonHugePages: %d kB", &size)
			require.NoError(t, err)
			return size
		}
	}
	t.Fatal("no mapping has the block")
	return 0
}

package smrmap

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

// The memory of a table is Go's, and the collector hands it to others later: nothing that is
// asked of the system for it may stay.
func TestTable_LeavesNoAdviceOnGoHeap(t *testing.T) {
	m, err := New[uint64, uint64](Options{Domain: newDomain(t), Capacity: 512 << 10})
	require.NoError(t, err)
	table := m.c.table.Load()
	middle := uintptr(unsafe.Pointer(table.at(table.n / 2)))
	require.NoError(t, m.Close(watchdogContext(t)))

	smaps, err := os.ReadFile("/proc/self/smaps")
	require.NoError(t, err)
	in := false
	for line := range strings.Lines(string(smaps)) {
		var from, to uintptr
		if n, _ := fmt.Sscanf(line, "%x-%x ", &from, &to); n == 2 {
			in = middle >= from && middle < to
		}
		if flags, ok := strings.CutPrefix(line, "VmFlags:"); in && ok {
			require.NotContains(t, strings.Fields(flags), "hg", "huge pages are asked for")
			return
		}
	}
	t.Skip("the kernel does not say what was asked of it")
}

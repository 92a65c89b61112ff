//go:build !race

package pages

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/self"
)

// statusKiB returns a line of /proc/self/status, in KiB.
func statusKiB(t *testing.T, key string) (size uintptr) {
	status, err := os.ReadFile("/proc/self/status")
	require.NoError(t, err)
	for line := range strings.Lines(string(status)) {
		if n, _ := fmt.Sscanf(line, key+": %d kB", &size); n == 1 {
			return size
		}
	}
	t.Fatal("no " + key)
	return 0
}

// limit lowers a limit of the process to what it uses, and room, and reports whether the
// system observes it.
func limit(t *testing.T, resource int, key string, room uintptr) bool {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(resource, &old))
	most := unix.Rlimit{Cur: uint64(statusKiB(t, key))<<10 + uint64(room), Max: old.Max}
	require.NoError(t, unix.Setrlimit(resource, &most))
	p, err := unix.MmapPtr(-1, 0, nil, room+MaxBlock, protection, private)
	if err == nil {
		unix.MunmapPtr(p, room+MaxBlock)
	}
	return err != nil
}

// allocAll allocates blocks until there are no more, and returns how many bytes it got.
func allocAll(t *testing.T, size uintptr) (total uintptr) {
	for {
		p, err := Alloc(size)
		if err != nil {
			require.ErrorIs(t, err, ErrNoMemory)
			return total
		}
		*(*byte)(p) = 1
		total += size
	}
}

// Where addresses are few, less is reserved at a time, and what there is can be used.
func TestAlloc_LittleAddressSpace(t *testing.T) {
	self.InChild(t, func() string {
		const room = 8 << 20
		if !limit(t, unix.RLIMIT_AS, "VmSize", room) {
			return "no limit of addresses here"
		}
		require.GreaterOrEqual(t, allocAll(t, MinBlock), uintptr(room-2*MaxBlock))
		return ""
	})
}

// Where memory is few, as under strict overcommit (which counts what can be written, as
// this limit does), what is reserved does not count.
func TestAlloc_LittleMemory(t *testing.T) {
	self.InChild(t, func() string {
		const room = 3<<20 + MinBlock
		heap.next = maxRegion
		if !limit(t, unix.RLIMIT_DATA, "VmData", room) {
			return "no limit of memory here"
		}
		require.GreaterOrEqual(t, allocAll(t, MinBlock), uintptr(room-4*MinBlock))
		return ""
	})
}

// Where memory is locked, what is reserved takes none.
func TestAlloc_LockedMemory(t *testing.T) {
	self.InChild(t, func() string {
		if err := unix.Mlockall(unix.MCL_FUTURE); err != nil {
			return "mlockall: " + err.Error()
		}
		locked := func() uintptr { return statusKiB(t, "VmLck") << 10 }
		heap.next = maxRegion
		before, lockedBefore := statusKiB(t, "VmRSS")<<10, locked()
		p := alloc(t, MinBlock)
		if locked() == lockedBefore {
			return "locking has no effect here"
		}
		const most = MaxBlock + 1<<20 // and what Go's heap takes
		require.LessOrEqual(t, statusKiB(t, "VmRSS")<<10, before+most)

		// What is freed is not locked any more, and reads as zeros.
		all := []unsafe.Pointer{p}
		for range 63 {
			all = append(all, alloc(t, MaxBlock))
		}
		full := statusKiB(t, "VmRSS") << 10
		require.Greater(t, full, before+63*MaxBlock)
		for _, p := range all[1:] {
			*(*byte)(p) = 1
			Free(p, MaxBlock)
			if invariants.Enabled {
				continue
			}
			require.Zero(t, *(*byte)(p))
		}
		if statusKiB(t, "VmRSS")<<10 > before+full/2 {
			return "this kernel does not give back what is locked"
		}
		return ""
	})
}

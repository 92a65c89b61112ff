//go:build !race

package pages

import (
	"fmt"
	"math"
	"os"
	"runtime"
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

// prepare is for a process that will have little memory. It returns why there can be no such
// process here.
func prepare() (skip string) {
	self.Settle()
	if os.Getenv(self.Emulator) != "" {
		return "the limit is the emulator's, too"
	}
	return ""
}

// limited runs fn with a limit of the process lowered to what it uses, and room, or says why
// it does not. fn must leave some of that to Go's runtime.
func limited(t *testing.T, resource int, key string, room uintptr, fn func()) (skip string) {
	var old unix.Rlimit
	require.NoError(t, unix.Getrlimit(resource, &old))
	most := uint64(statusKiB(t, key))<<10 + uint64(room)
	if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: max(old.Max, most)}); err != nil {
		return "setrlimit: " + err.Error()
	}
	defer unix.Setrlimit(resource, &old)
	p, err := unix.MmapPtr(-1, 0, nil, room+MaxBlock, protection, private)
	if err == nil {
		unix.MunmapPtr(p, room+MaxBlock)
		return "the system does not observe such a limit"
	}
	fn()
	return ""
}

// little is less than is reserved at a time; most of it is left to Go's runtime.
const little = 15 << 20

// use allocates blocks of MinBlock, size bytes of them.
func use(t *testing.T, size uintptr) {
	for used := uintptr(0); used < size; used += MinBlock {
		p, err := Alloc(MinBlock)
		require.NoError(t, err, "after %d of %d bytes", used, size)
		*(*byte)(p) = 1
	}
}

// Where addresses are few, less is reserved at a time, and what there is can be used.
func TestAlloc_LittleAddressSpace(t *testing.T) {
	self.InChild(t, func() string {
		if skip := prepare(); skip != "" {
			return skip
		}
		heap.next = maxRegion
		return limited(t, unix.RLIMIT_AS, "VmSize", little, func() { use(t, little/3) })
	})
}

// Where memory is scarce, as under strict overcommit (which counts what can be written, as
// this limit does), what is reserved does not count.
func TestAlloc_LittleMemory(t *testing.T) {
	self.InChild(t, func() string {
		if skip := prepare(); skip != "" {
			return skip
		}
		heap.next = maxRegion
		return limited(t, unix.RLIMIT_DATA, "VmData", little, func() { use(t, little/3) })
	})
}

// To ask the system for what the Go runtime is to have asks for what describes it, too: a 64th.
func TestProbe_AsksForMore(t *testing.T) {
	self.InChild(t, func() string {
		if skip := prepare(); skip != "" {
			return skip
		}
		const margin = 64 << 20
		size := uint64(math.MaxInt) & (16 << 30)
		if size == 0 {
			return "addresses are too short"
		}
		if Probe(size) != nil {
			return "the system has not as much"
		}
		room := uintptr(size + size/64 + 64<<20)
		limit := func(room uintptr, err error) string {
			return limited(t, unix.RLIMIT_AS, "VmSize", room, func() { require.ErrorIs(t, Probe(size), err) })
		}
		if skip := limit(room-margin, ErrNoMemory); skip != "" {
			return skip
		}
		return limit(room+margin, nil)
	})
}

// Where memory is locked, what is reserved takes none.
func TestAlloc_LockedMemory(t *testing.T) {
	self.InChild(t, func() string {
		self.Settle()
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
		const most = max(maxRegion/2, 12<<20) // a MaxBlock, and what Go's runtime may take meanwhile
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

// Where little may be locked, that little can be used.
func TestAlloc_LittleLockedMemory(t *testing.T) {
	self.InChild(t, func() string {
		if skip := prepare(); skip != "" {
			return skip
		}
		if err := unix.Mlockall(unix.MCL_FUTURE); err != nil {
			return "mlockall: " + err.Error()
		}
		// The limit is for threads without this capability.
		runtime.LockOSThread()
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		var caps [2]unix.CapUserData
		if err := unix.Capget(&header, &caps[0]); err != nil {
			return "capget: " + err.Error()
		}
		caps[0].Effective &^= 1 << unix.CAP_IPC_LOCK
		if err := unix.Capset(&header, &caps[0]); err != nil {
			return "capset: " + err.Error()
		}
		heap.next = maxRegion
		return limited(t, unix.RLIMIT_MEMLOCK, "VmLck", 6<<20, func() { use(t, 1<<20) })
	})
}

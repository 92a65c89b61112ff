//go:build !race

package pages

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const noReserve = unix.MAP_NORESERVE

// adviseHuge asks for huge pages: a map of millions of entries spends more time
// on misses of the TLB than on anything else. A kernel without them says no,
// which is fine.
func adviseHuge(p unsafe.Pointer, size uintptr) {
	unix.Madvise(unsafe.Slice((*byte)(p), size), unix.MADV_HUGEPAGE)
}

// decommit gives the memory back; the next touch finds zeros.
func decommit(p unsafe.Pointer, size uintptr) {
	if err := unix.Madvise(unsafe.Slice((*byte)(p), size), unix.MADV_DONTNEED); err != nil {
		// Locked memory, by mlockall: it stays, but must read as zeros.
		clear(unsafe.Slice((*byte)(p), size))
	}
}

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

// mended is called with a MaxBlock that was given back in pieces, all of it. That has
// left a table of small pages, empty as it is, where one huge page could be: the kernel
// drops it when it is asked about the whole of it (from Linux 6.14 on; else khugepaged
// does so some time).
func mended(p unsafe.Pointer) { unix.Madvise(unsafe.Slice((*byte)(p), MaxBlock), unix.MADV_DONTNEED) }

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
func adviseHuge(b block) { system.madvise(b.bytes(), unix.MADV_HUGEPAGE) }

// decommit gives the memory back; the next touch, where that is permitted, finds zeros.
func decommit(p unsafe.Pointer, size uintptr) {
	mem := block{p, size}.bytes()
	if system.madvise(mem, unix.MADV_DONTNEED) == nil {
		return
	}
	// Locked memory, by mlockall. Kernels before 5.18 do not know the advice for it, and
	// qemu-user says that it took it: so it is zeros at any rate.
	if protect(block{p, size}, protection) == nil {
		clear(mem)
	}
	system.madvise(mem, unix.MADV_DONTNEED_LOCKED)
}

// mended is called with a MaxBlock that was given back in pieces, all of it. That has
// left a table of small pages, empty as it is, where one huge page could be: the kernel
// drops it when it is asked about the whole of it (from Linux 6.14 on; else khugepaged
// does so some time).
func mended(p unsafe.Pointer) {
	system.madvise(block{p, MaxBlock}.bytes(), unix.MADV_DONTNEED)
}

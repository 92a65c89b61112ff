//go:build !race

package pages

import (
	"os"
	"strconv"
	"strings"
	"unsafe"

	"golang.org/x/sys/unix"
)

const noReserve = unix.MAP_NORESERVE

// adviseHuge asks for huge pages: a map of millions of entries spends most of its time on TLB
// misses. A kernel without huge pages refuses, which does no harm.
func adviseHuge(b block) { system.madvise(b.bytes(), unix.MADV_HUGEPAGE) }

// adviseSmall asks for none: what is not touched shall take no memory.
func adviseSmall(b block) { system.madvise(b.bytes(), unix.MADV_NOHUGEPAGE) }

// decommit gives the memory back; the next access, where permitted, finds zeros.
func decommit(p unsafe.Pointer, size uintptr) {
	mem := block{p, size}.bytes()
	if system.madvise(mem, unix.MADV_DONTNEED) == nil {
		return
	}
	// The memory is locked, by mlockall. Kernels before 5.18 do not know the advice for that,
	// and qemu-user only claims to take it. So clear the memory first.
	if protectBare(block{p, size}, protection) == nil {
		clear(mem)
	}
	system.madvise(mem, unix.MADV_DONTNEED_LOCKED)
}

// mended is called with a MaxBlock that was given back whole, in pieces. That leaves an empty
// table of small pages where a huge page could be. The kernel drops the table on advice about
// the whole (from Linux 6.14 on; before, khugepaged does so eventually).
func mended(p unsafe.Pointer) {
	system.madvise(block{p, MaxBlock}.bytes(), unix.MADV_DONTNEED)
}

// mostMappings returns how many mappings a process can have.
func mostMappings() int64 {
	text, _ := os.ReadFile("/proc/sys/vm/max_map_count")
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n < 0 {
		return 65530 // the kernel's default
	}
	return n
}

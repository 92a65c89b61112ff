//go:build unix && !linux && !race

package pages

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const noReserve = 0

func adviseHuge(block) {}

func mended(unsafe.Pointer) {}

// decommit gives the memory back by mapping fresh pages over it.
func decommit(p unsafe.Pointer, size uintptr) {
	if _, err := unix.MmapPtr(-1, 0, p, size, protection, private|unix.MAP_FIXED); err != nil {
		clear(block{p, size}.bytes())
	}
}

//go:build unix && !linux && !race

package pages

import (
	"math"
	"unsafe"

	"golang.org/x/sys/unix"
)

const noReserve = 0

func adviseHuge(block) {}

func adviseSmall(block) {}

func mended(unsafe.Pointer) {}

// decommit gives the memory back by mapping fresh pages over it.
func decommit(p unsafe.Pointer, size uintptr) {
	if _, err := unix.MmapPtr(-1, 0, p, size, protection, private|unix.MAP_FIXED); err != nil {
		clear(block{p, size}.bytes())
	}
}

// mostMappings returns how many mappings a process can have.
func mostMappings() int64 { return math.MaxInt64 }

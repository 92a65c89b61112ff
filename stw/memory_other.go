//go:build unix && !linux && !race

package stw

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// discardMemory maps fresh pages over the old ones: elsewhere than on Linux, MADV_DONTNEED may keep
// them.
func discardMemory(mem []byte) bool {
	_, err := unix.MmapPtr(-1, 0, unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)),
		unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED)
	return err == nil
}

//go:build unix && !race

package stw

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// MmapPtr and MunmapPtr: unix.Munmap takes back only whole ranges that unix.Mmap returned.

func mapMemory(size int) ([]byte, error) {
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), size), nil
}

func unmapMemory(mem []byte) error {
	return unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
}

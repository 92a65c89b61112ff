//go:build unix && !race

package pages

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const onGoHeap = false

const (
	protection = unix.PROT_READ | unix.PROT_WRITE
	private    = unix.MAP_ANON | unix.MAP_PRIVATE
)

// reserve maps size bytes aligned to MaxBlock. Memory is taken when it is touched.
func reserve(size uintptr) (unsafe.Pointer, error) {
	p, err := unix.MmapPtr(-1, 0, nil, size+MaxBlock, protection, private|noReserve)
	if err != nil {
		return nil, fmt.Errorf("%w: mmap of %d bytes: %w", ErrNoMemory, size, err)
	}
	start := unsafe.Add(p, -uintptr(p)&(MaxBlock-1))
	// What is not aligned goes back; if it does not, it costs nothing.
	if head := uintptr(start) - uintptr(p); head > 0 {
		unix.MunmapPtr(p, head)
	}
	if tail := MaxBlock - (uintptr(start) - uintptr(p)); tail > 0 {
		unix.MunmapPtr(unsafe.Add(start, size), tail)
	}
	adviseHuge(start, size)
	return start, nil
}

func mapLarge(size uintptr) (unsafe.Pointer, error) {
	p, err := unix.MmapPtr(-1, 0, nil, size, protection, private)
	if err != nil {
		return nil, fmt.Errorf("%w: mmap of %d bytes: %w", ErrNoMemory, size, err)
	}
	return p, nil
}

func unmapLarge(p unsafe.Pointer, size uintptr) {
	if err := unix.MunmapPtr(p, size); err != nil {
		panic("pages: munmap: " + err.Error())
	}
}

//go:build linux || darwin || freebsd || netbsd || dragonfly

package smrfile

import (
	"errors"
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canMap = true

// system holds the calls to the system that tests replace with refusals.
var system = struct {
	mmap   func(fd int, off int64, addr unsafe.Pointer, size uintptr, prot, flags int) (unsafe.Pointer, error)
	munmap func(p unsafe.Pointer, size uintptr) error
}{unix.MmapPtr, unix.MunmapPtr}

// mapFile maps n bytes of a file from its start, which may be more than it has.
func mapFile(fd uintptr, n int, write bool) ([]byte, error) { return mapAt(fd, 0, n, write) }

func mapAt(fd uintptr, off int64, n int, write bool) ([]byte, error) {
	prot := unix.PROT_READ
	if write {
		prot |= unix.PROT_WRITE
	}
	p, err := system.mmap(int(fd), off, nil, uintptr(n), prot, unix.MAP_SHARED)
	if err != nil {
		return nil, err
	}
	return unsafe.Slice((*byte)(p), n), nil
}

func unmap(mem []byte) error {
	return system.munmap(unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)))
}

// shut takes the file from its addresses: they fault, and stay taken until unmap.
func shut(mem []byte) error {
	_, err := system.mmap(-1, 0, unsafe.Pointer(unsafe.SliceData(mem)), uintptr(len(mem)), unix.PROT_NONE,
		unix.MAP_ANON|unix.MAP_PRIVATE|unix.MAP_FIXED|noReserve)
	return err
}

// noMapping reports whether mmap failed as the file system can't map files.
func noMapping(err error) bool { return errors.Is(err, unix.ENODEV) }

// mapFailed says what a mapping of n bytes failed for.
func mapFailed(n int, err error) error {
	switch {
	case errors.Is(err, unix.ENOMEM):
		return fmt.Errorf("no addresses for %d bytes, or as many mappings as the process may have (on Linux vm.max_map_count): %w", n, err)
	case errors.Is(err, unix.EACCES):
		return fmt.Errorf("it can't be mapped: it must be open for reading, and with Options.Write for both: %w", err)
	}
	return fmt.Errorf("it can't be mapped: %w", err)
}

var advices = [...]int{unix.MADV_NORMAL, unix.MADV_RANDOM, unix.MADV_SEQUENTIAL, unix.MADV_WILLNEED, unix.MADV_DONTNEED}

// advise gives advice for memory that begins with a page.
func advise(mem []byte, a Advice) error {
	if uint(a) >= uint(len(advices)) {
		return fmt.Errorf("no such advice: %d", a)
	}
	return unix.Madvise(mem, advices[a])
}

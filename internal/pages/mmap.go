//go:build unix && !race

package pages

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

const onGoHeap = false

// Divisible tells whether a large block may be freed in parts.
const Divisible = true

const (
	protection = unix.PROT_READ | unix.PROT_WRITE
	readOnly   = unix.PROT_READ
	untouched  = unix.PROT_NONE
	private    = unix.MAP_ANON | unix.MAP_PRIVATE
)

// system holds the calls to the system, which tests replace with refusals.
var system = struct {
	mmap     func(size uintptr, prot, flags int) (unsafe.Pointer, error)
	munmap   func(p unsafe.Pointer, size uintptr) error
	mprotect func(b []byte, prot int) error
	madvise  func(b []byte, advice int) error
}{
	func(size uintptr, prot, flags int) (unsafe.Pointer, error) {
		return unix.MmapPtr(-1, 0, nil, size, prot, private|flags)
	},
	unix.MunmapPtr, unix.Mprotect, unix.Madvise,
}

// Refuse has the system refuse all memory from now on, for a test in a process of its own: a limit of
// the system's would be Go's, too, which ends then.
func Refuse() {
	system.mmap = func(uintptr, int, int) (unsafe.Pointer, error) { return nil, unix.ENOMEM }
	system.mprotect = func([]byte, int) error { return unix.ENOMEM }
}

// reserve returns size bytes of addresses, aligned to align, that can't be touched before
// protect opens them.
func reserve(size, align uintptr) (unsafe.Pointer, error) {
	// A new mapping usually lies beside the last one, and so is aligned.
	p, err := mapped(size, unix.PROT_NONE, noReserve)
	if err == nil && uintptr(p)&(align-1) != 0 {
		unmap(p, size)
		if p, err = mapped(size+align, unix.PROT_NONE, noReserve); err == nil {
			start := unsafe.Add(p, -uintptr(p)&(align-1))
			head := uintptr(start) - uintptr(p)
			unmap(p, head)
			unmap(unsafe.Add(start, size), align-head)
			p = start
		}
	}
	if err != nil {
		return nil, err
	}
	return p, nil
}

// reserveBare is reserve without alignment.
func reserveBare(size uintptr) (unsafe.Pointer, error) {
	return mapped(size, unix.PROT_NONE, noReserve)
}

func mapped(size uintptr, prot, flags int) (unsafe.Pointer, error) {
	p, err := system.mmap(size, prot, flags)
	if err != nil {
		return nil, fmt.Errorf("%w: mmap of %d bytes: %w", ErrNoMemory, size, err)
	}
	return p, nil
}

func mapLarge(size uintptr) (unsafe.Pointer, error) {
	if p := takeKept(size); p != nil {
		return p, nil
	}
	return mapped(size, protection, 0)
}

func protect(b block, prot int) error {
	if err := protectBare(b, prot); err != nil {
		return fmt.Errorf("%w: mprotect of %d bytes: %w", ErrNoMemory, b.size, err)
	}
	return nil
}

// protectBare is protect that allocates nothing: for where the system may have no mapping left.
func protectBare(b block, prot int) error { return system.mprotect(b.bytes(), prot) }

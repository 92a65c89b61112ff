package smrfile

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// noWaitRefused is set once the system has refused preadv2 or its flag for a file.
var noWaitRefused atomic.Bool

// mostRaw bounds a read that keeps the processor: some microseconds to copy.
const mostRaw = 16 << 10

// readNoWait reads what is in the page cache from off on, and returns how much that is. It does not
// wait for the disk, so a short read keeps the processor: a system call of which the scheduler learns
// costs more than the copy.
func readNoWait(fd uintptr, p []byte, off int64) int {
	if len(p) == 0 || noWaitRefused.Load() {
		return 0
	}
	iov := syscall.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	var n uintptr
	var errno syscall.Errno
	if len(p) <= mostRaw {
		n, _, errno = syscall.RawSyscall6(unix.SYS_PREADV2, fd, uintptr(unsafe.Pointer(&iov)), 1,
			uintptr(off), uintptr(uint64(off)>>32), unix.RWF_NOWAIT)
	} else {
		n, _, errno = syscall.Syscall6(unix.SYS_PREADV2, fd, uintptr(unsafe.Pointer(&iov)), 1,
			uintptr(off), uintptr(uint64(off)>>32), unix.RWF_NOWAIT)
	}
	switch errno {
	case 0:
		return int(n)
	case syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EINVAL, syscall.EPERM:
		noWaitRefused.Store(true)
	}
	return 0
}

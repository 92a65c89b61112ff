package smrfile

import (
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// mostRaw bounds a read that keeps the processor: some microseconds to copy.
const mostRaw = 16 << 10

// readNoWait reads what is in the page cache from off on, and returns how much that is. It does not
// wait for the disk, so a short read keeps the processor: a system call of which the scheduler learns
// costs more than the copy.
func (f *File) readNoWait(p []byte, off int64) int {
	if len(p) == 0 || f.noCache.Load() {
		return 0
	}
	iov := syscall.Iovec{Base: unsafe.SliceData(p)}
	iov.SetLen(len(p))
	var n uintptr
	var errno syscall.Errno
	if len(p) <= mostRaw {
		n, _, errno = syscall.RawSyscall6(unix.SYS_PREADV2, f.fd, uintptr(unsafe.Pointer(&iov)), 1,
			uintptr(off), uintptr(uint64(off)>>32), unix.RWF_NOWAIT)
	} else {
		n, _, errno = syscall.Syscall6(unix.SYS_PREADV2, f.fd, uintptr(unsafe.Pointer(&iov)), 1,
			uintptr(off), uintptr(uint64(off)>>32), unix.RWF_NOWAIT)
	}
	runtime.KeepAlive(f.file) // else its end closes the descriptor
	switch errno {
	case 0:
		return int(n)
	case syscall.ENOSYS, syscall.EOPNOTSUPP, syscall.EINVAL, syscall.EPERM:
		f.noCache.Store(true)
	}
	return 0
}

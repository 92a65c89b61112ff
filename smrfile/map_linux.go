package smrfile

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// extend makes a file of from bytes to bytes long, with blocks on the disk unless it is Sparse.
func (f *File) extend(from, to int64) error {
	if !f.o.Sparse {
		switch err := f.allocate(from, to); err {
		case unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL: // as on NFS before 4.2
		default:
			return err
		}
	}
	return ftruncate(f.file, to)
}

// allocate gives the file blocks. A signal ends fallocate, on some file systems with nothing done; so a
// profiler's signals would end it each time, and after one it does less at a time.
func (f *File) allocate(from, to int64) error {
	for most := to - from; from < to; {
		n := min(most, to-from)
		err := fallocate(int(f.fd), 0, from, n)
		runtime.KeepAlive(f.file)
		switch err {
		case nil:
			from += n
		case unix.EINTR:
			most = max(n/2, leastAllocated)
		default:
			return err
		}
	}
	return nil
}

const leastAllocated = 1 << 20 // a fraction of a millisecond

// fallocate is a variable for tests in which it fails.
var fallocate = unix.Fallocate

// syncMapping does nothing: fsync writes what was stored to a mapping, too.
func syncMapping([]byte) error { return nil }

const noReserve = unix.MAP_NORESERVE

package smrfile

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// extend makes a file of from bytes to bytes long, with blocks on the disk unless it is Sparse.
func (f *File) extend(from, to int64) error {
	if !f.o.Sparse {
		var err error = unix.EINTR
		for err == unix.EINTR {
			err = fallocate(int(f.fd), 0, from, to-from)
			runtime.KeepAlive(f.file)
		}
		switch err {
		case unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL: // as on NFS before 4.2
		default:
			return err
		}
	}
	return ftruncate(f.file, to)
}

// fallocate is a variable for tests in which it fails.
var fallocate = unix.Fallocate

// syncMapping does nothing: fsync writes what was stored to a mapping, too.
func syncMapping([]byte) error { return nil }

const noReserve = unix.MAP_NORESERVE

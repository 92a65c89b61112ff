package smrfile

import (
	"errors"
	"runtime"

	"golang.org/x/sys/unix"
)

// extend makes a file of from bytes to bytes long, with blocks on the disk unless it is Sparse.
func (f *File) extend(from, to int64) error {
	if !f.o.Sparse {
		err := unix.EINTR
		for errors.Is(err, unix.EINTR) {
			err = fallocate(int(f.fd), from, to-from)
			runtime.KeepAlive(f.file)
		}
		switch err {
		case unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL: // as on NFS before 4.2
		case unix.Errno(0):
			return nil
		default:
			return err
		}
	}
	return ftruncate(f.file, to)
}

func fallocate(fd int, from, n int64) unix.Errno {
	err := unix.Fallocate(fd, 0, from, n)
	errno, _ := err.(unix.Errno)
	return errno
}

// syncMapping does nothing: fsync writes what was stored to a mapping, too.
func syncMapping([]byte) error { return nil }

const noReserve = unix.MAP_NORESERVE

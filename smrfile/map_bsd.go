//go:build darwin || freebsd || netbsd || dragonfly

package smrfile

import "golang.org/x/sys/unix"

// extend makes a file of from bytes to bytes long, perhaps without blocks on the disk.
func (f *File) extend(_, to int64) error { return ftruncate(f.file, to) }

// syncMapping writes what was stored to a mapping.
func syncMapping(mem []byte) error {
	if len(mem) == 0 {
		return nil
	}
	return unix.Msync(mem, unix.MS_SYNC)
}

const noReserve = 0 // what can't be touched takes no memory

//go:build !race

package stw

import "golang.org/x/sys/unix"

// discardMemory fails if the memory is locked (mlockall).
func discardMemory(mem []byte) bool { return unix.Madvise(mem, unix.MADV_DONTNEED) == nil }

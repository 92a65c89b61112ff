//go:build unix && !race

package stw

import "golang.org/x/sys/unix"

func mapMemory(size int) ([]byte, error) {
	return unix.Mmap(-1, 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
}

func unmapMemory(mem []byte) {
	if mem == nil {
		return
	}
	if err := unix.Munmap(mem); err != nil {
		panic("stw: unmap a reservation: " + err.Error()) // it was mapped by mapMemory
	}
}

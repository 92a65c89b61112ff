//go:build unix

package queuetest

import (
	"fmt"
	"unsafe"

	"golang.org/x/sys/unix"
)

// OffHeap returns n elements in memory unknown to the collector, and a function that unmaps it.
func OffHeap(n int) (all []*Elem, free func(), err error) {
	mem, err := unix.Mmap(-1, 0, n*int(unsafe.Sizeof(Elem{})), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return nil, nil, fmt.Errorf("map %d elements: %w", n, err)
	}
	all = make([]*Elem, n)
	for i := range all {
		all[i] = (*Elem)(unsafe.Pointer(&mem[i*int(unsafe.Sizeof(Elem{}))]))
		all[i].Key = i
	}
	return all, func() { unix.Munmap(mem) }, nil
}

//go:build unix

package pages

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// arena is the least that the Go runtime takes: 64 MiB, 4 MiB where addresses are short.
const arena = 4 << 20 << (^uintptr(0) >> 63 * 4)

func probe(size uintptr) error {
	size += size/64 + arena // the runtime takes whole arenas, and memory to describe them
	if size > math.MaxInt {
		return fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	p, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("%w: mmap of %d bytes: %w", ErrNoMemory, size, err)
	}
	unix.MunmapPtr(p, size)
	return nil
}

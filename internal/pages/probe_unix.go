//go:build unix

package pages

import (
	"fmt"
	"math"

	"golang.org/x/sys/unix"
)

// Probe reports whether the system would give size bytes more, by asking for them and
// giving them back: nil, or an error that wraps [ErrNoMemory]. It is for memory that the Go
// runtime is asked for next, which ends the program when it is refused. An answer is no
// promise: others may take the memory in between, and a system that gives more than it has
// refuses little.
//
// Cost: two system calls, where size is 4 MiB or more.
func Probe(size uint64) error {
	if size < probed {
		return nil
	}
	more := size/64 + arena // the runtime takes whole arenas, and notes on them
	if size > math.MaxInt || size+more > math.MaxInt {
		return fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	size += more
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(size), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		return fmt.Errorf("%w: mmap of %d bytes: %w", ErrNoMemory, size, err)
	}
	unix.MunmapPtr(p, uintptr(size))
	return nil
}

// arena is what the Go runtime takes at least: 64 MiB, 4 MiB where addresses are short.
const arena = 4 << 20 << (^uintptr(0) >> 63 * 4)

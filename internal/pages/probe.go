package pages

import (
	"fmt"
	"math"
)

// Probe reports whether the system would give size bytes more: nil, or an error that wraps
// [ErrNoMemory]. It asks for them and gives them back; where it can't ask, the bound is 1 GiB.
// It is for memory that the Go runtime is asked for next, since a refusal there ends the
// program. The answer is no promise: others may take the memory in between, and a system that
// overcommits refuses little.
//
// Cost: two system calls if size is 4 MiB or more.
func Probe(size uint64) error {
	if size < probed {
		return nil
	}
	if size > math.MaxInt {
		return fmt.Errorf("%w: %d bytes", ErrNoMemory, size)
	}
	return probe(uintptr(size))
}

// probed is the least size for which Probe asks the system. Less comes from memory that the Go
// runtime already has, or the process is at its end anyway.
const probed = 4 << 20

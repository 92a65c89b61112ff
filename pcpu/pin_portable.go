//go:build !(gc && go1.25 && !go1.28 && !smr_portable) && !smr_sched

package pcpu

import "unsafe"

// Exclusive says whether a goroutine has its processor to itself between Pin and Unpin.
const Exclusive = false

// Pin returns a non-negative hint for choosing a stripe. In this build it holds nothing: the
// goroutine may be preempted, migrate, block and panic, and another may get the same hint.
//
// The hint is a hash of the goroutine's stack address: no two goroutines share a stack, and a
// goroutine tends to get the same stripe again, whose line is then in its cache.
func Pin() int {
	var onStack byte
	// Stacks are at least 2 KiB, so the low 11 bits tell apart frames of one stack rather than
	// stacks. The multiplier is 2^32 divided by the golden ratio (Knuth, TAOCP vol. 3, 6.4); the
	// product's high bits are the well mixed ones.
	h := uint32(uintptr(unsafe.Pointer(&onStack))>>11) * 0x9e3779b1
	return int(h >> 16)
}

// Unpin undoes one [Pin]: in this build, nothing.
func Unpin() {}

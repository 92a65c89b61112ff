package pcpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// LineSize is the size of a cache line, in bytes, and at least 64: x/sys knows
// of smaller ones, and of none on wasm, where the difference does not matter.
const LineSize = max(unsafe.Sizeof(cpu.CacheLinePad{}), 64)

// Stride is the distance, in bytes, at which words that different processors
// write do not slow each other down.
const Stride = LineSize * linesFetchedTogether

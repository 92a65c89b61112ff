package pcpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// LineSize is the size of a cache line, in bytes.
const LineSize = unsafe.Sizeof(cpu.CacheLinePad{})

// Stride is the distance, in bytes, at which words that different processors
// write do not slow each other down.
const Stride = LineSize * linesFetchedTogether

package pcpu

import (
	"unsafe"

	"golang.org/x/sys/cpu"
)

// LineSize is the size of a cache line in bytes, and at least 64: x/sys has smaller values for some
// processors, and 0 for wasm, where more does no harm.
const LineSize = max(unsafe.Sizeof(cpu.CacheLinePad{}), 64)

// Stride is the distance in bytes at which words that different processors store do not slow each
// other down.
const Stride = LineSize * linesFetchedTogether

//go:build unix && !race

package pages

import (
	"sync"
	"unsafe"
)

// kept holds the addresses that the system did not take back. There is no memory under them.
var kept struct {
	mu     sync.Mutex // guards ranges
	ranges []block
}

// keptTries is how many kept ranges each unmap tries again.
const keptTries = 4

// unmap gives a range back to the system: its memory at once, its addresses now or later.
func unmap(p unsafe.Pointer, size uintptr) {
	if size == 0 {
		return
	}
	refused := system.munmap(p, size) != nil
	if refused {
		decommit(p, size)
	}
	kept.mu.Lock()
	defer kept.mu.Unlock()
	if refused {
		kept.ranges = append(kept.ranges, block{p, size})
		return
	}
	// The mapping that contained this range has changed, so kept ranges may go too.
	for range min(keptTries, len(kept.ranges)) {
		b := kept.ranges[0]
		kept.ranges = append(kept.ranges[:0], kept.ranges[1:]...)
		if system.munmap(b.p, b.size) != nil {
			kept.ranges = append(kept.ranges, b)
		}
	}
}

// takeKept returns size bytes of a kept range, zeroed, or nil if none is large enough.
func takeKept(size uintptr) unsafe.Pointer {
	kept.mu.Lock()
	defer kept.mu.Unlock()
	for i, b := range kept.ranges {
		if b.size < size || protect(block{b.p, size}, protection) != nil {
			continue
		}
		if b.size == size {
			kept.ranges = append(kept.ranges[:i], kept.ranges[i+1:]...)
		} else {
			kept.ranges[i] = block{unsafe.Add(b.p, size), b.size - size}
		}
		return b.p
	}
	return nil
}

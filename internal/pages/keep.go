//go:build unix && !race

package pages

import (
	"sync"
	"unsafe"
)

// kept is the addresses that the system did not take back. There is no memory under them.
var kept struct {
	mu     sync.Mutex // guards ranges
	ranges []block
}

// keptTries is how many kept ranges are tried again each time.
const keptTries = 4

// unmap gives a range back to the system: its memory at once, its addresses now or later.
func unmap(p unsafe.Pointer, size uintptr) {
	if size == 0 {
		return
	}
	k := &kept
	if system.munmap(p, size) != nil {
		decommit(p, size)
		k.mu.Lock()
		defer k.mu.Unlock()
		k.ranges = append(k.ranges, block{p, size})
		return
	}
	// What this one was a part of has changed, so others may go, too.
	k.mu.Lock()
	defer k.mu.Unlock()
	for range min(keptTries, len(k.ranges)) {
		b := k.ranges[0]
		k.ranges = append(k.ranges[:0], k.ranges[1:]...)
		if system.munmap(b.p, b.size) != nil {
			k.ranges = append(k.ranges, b)
		}
	}
}

// takeKept returns size bytes of what was kept, zeroed, or nil if no range is large enough.
func takeKept(size uintptr) unsafe.Pointer {
	k := &kept
	k.mu.Lock()
	defer k.mu.Unlock()
	for i, b := range k.ranges {
		if b.size < size || protect(block{b.p, size}, protection) != nil {
			continue
		}
		if b.size == size {
			k.ranges = append(k.ranges[:i], k.ranges[i+1:]...)
		} else {
			k.ranges[i] = block{unsafe.Add(b.p, size), b.size - size}
		}
		return b.p
	}
	return nil
}

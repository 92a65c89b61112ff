//go:build invariants && unix && !race

package pages

import (
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quarantined holds the blocks freed last. They can't be touched: a stray access faults where it
// happens, rather than change a block that is in use again.
var quarantined struct {
	mu     sync.Mutex // guards blocks
	blocks []block    // the oldest first
}

const maxQuarantined = 64

// quarantine takes in a block whose memory was given back, and returns those that may be used
// again. A block that the system refuses to protect is one of these; one that it refuses to open
// again stays for longer.
func quarantine(p unsafe.Pointer, size uintptr) (usable []block) {
	b := block{p, size}
	quarantined.mu.Lock()
	defer quarantined.mu.Unlock()
	if protect(b, unix.PROT_NONE) != nil {
		usable = append(usable, b)
	} else {
		quarantined.blocks = append(quarantined.blocks, b)
	}
	surplus := len(quarantined.blocks) - maxQuarantined
	quarantined.blocks = slices.DeleteFunc(quarantined.blocks, func(b block) bool {
		if surplus <= 0 || protect(b, protection) != nil {
			return false
		}
		surplus--
		usable = append(usable, b)
		return true
	})
	return usable
}

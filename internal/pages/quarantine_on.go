//go:build invariants && unix && !race

package pages

import (
	"slices"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// quarantined holds the blocks freed last. They can't be touched: an access faults at the
// line that does it, rather than change what is another block by then.
var quarantined struct {
	mu     sync.Mutex // guards blocks
	blocks []block    // the oldest first
}

const maxQuarantined = 64

// quarantine takes a block in, whose memory was given back, and returns those that may be
// used again. A block that the system does not protect is one of these; one that it does
// not open again stays for longer.
func quarantine(p unsafe.Pointer, size uintptr) (usable []block) {
	b := block{p, size}
	q := &quarantined
	q.mu.Lock()
	defer q.mu.Unlock()
	if protect(b, unix.PROT_NONE) != nil {
		usable = append(usable, b)
	} else {
		q.blocks = append(q.blocks, b)
	}
	surplus := len(q.blocks) - maxQuarantined
	q.blocks = slices.DeleteFunc(q.blocks, func(b block) bool {
		if surplus <= 0 || protect(b, protection) != nil {
			return false
		}
		surplus--
		usable = append(usable, b)
		return true
	})
	return usable
}

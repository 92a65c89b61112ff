//go:build invariants && unix && !race

package pages

import (
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

type block struct {
	p    unsafe.Pointer
	size uintptr
}

// quarantined holds the blocks freed last. They can't be touched: who does gets a
// fault at the line that does it, rather than another's bytes.
var quarantined struct {
	mu     sync.Mutex
	blocks []block
}

const maxQuarantined = 64

// quarantine takes a block in and returns those that may be used again.
func quarantine(p unsafe.Pointer, size uintptr) []block {
	protect(block{p, size}, unix.PROT_NONE)
	q := &quarantined
	q.mu.Lock()
	defer q.mu.Unlock()
	q.blocks = append(q.blocks, block{p, size})
	if len(q.blocks) <= maxQuarantined {
		return nil
	}
	oldest := q.blocks[0]
	q.blocks = append(q.blocks[:0], q.blocks[1:]...)
	protect(oldest, protection)
	return []block{oldest}
}

func protect(b block, prot int) {
	if err := unix.Mprotect(unsafe.Slice((*byte)(b.p), b.size), prot); err != nil {
		panic("pages: mprotect: " + err.Error())
	}
}

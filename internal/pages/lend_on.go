//go:build invariants && unix && !race

package pages

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// lent holds copies of what readers have borrowed, each in pages of its own. They go round: a copy
// that was recalled can't be touched until all others were used.
var lent struct {
	mu    sync.Mutex // guards the rest
	base  unsafe.Pointer
	out   []bool // by page: it is lent
	next  int
	tried bool
}

const (
	lentBytes = 8 << 20
	mostLent  = 256 << 10 // in one copy
)

var pageSize = os.Getpagesize()

// Lend returns n bytes for a copy, aligned to a page, or nil: then they are too many, or too much is
// lent.
func Lend(n int) unsafe.Pointer {
	if n > mostLent {
		return nil
	}
	lent.mu.Lock()
	defer lent.mu.Unlock()
	if !lent.tried {
		lent.tried = true
		if base, err := mapped(lentBytes, unix.PROT_NONE, noReserve); err == nil {
			lent.base, lent.out = base, make([]bool, lentBytes/pageSize)
		}
	}
	want := (n + pageSize - 1) / pageSize
	for run := 0; run < len(lent.out); {
		if lent.next+want > len(lent.out) {
			lent.next = 0
			run += want
		}
		i := busyPage(lent.out[lent.next:][:want])
		if i < 0 {
			return openPages(lent.next, want)
		}
		lent.next += i + 1
		run += i + 1
	}
	return nil
}

// busyPage returns the index of the last page that is lent, -1 if none is.
func busyPage(out []bool) int {
	for i := len(out) - 1; i >= 0; i-- {
		if out[i] {
			return i
		}
	}
	return -1
}

func openPages(first, n int) unsafe.Pointer {
	b := block{unsafe.Add(lent.base, first*pageSize), uintptr(n * pageSize)}
	if protect(b, protection) != nil {
		return nil
	}
	for i := range n {
		lent.out[first+i] = true
	}
	lent.next = first + n
	return b.p
}

// Recall makes a copy of n bytes fault where it is touched. With touchable set it does not, but the
// pages may be lent again.
func Recall(p unsafe.Pointer, n int, touchable bool) {
	lent.mu.Lock()
	defer lent.mu.Unlock()
	first := int(uintptr(p)-uintptr(lent.base)) / pageSize
	pages := (n + pageSize - 1) / pageSize
	if !touchable {
		protect(block{p, uintptr(pages * pageSize)}, unix.PROT_NONE) // if refused, it is poisoned
	}
	for i := range pages {
		lent.out[first+i] = false
	}
}

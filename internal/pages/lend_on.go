//go:build invariants && unix && !race

package pages

import (
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/internal/pinned"
)

// lent holds copies of what readers have borrowed, each in pages of its own. They go round: a copy
// that was recalled can't be touched until all others were used.
var lent struct {
	once sync.Once // sets base and the length of out
	base unsafe.Pointer
	mu   pinned.Lock // guards the rest, for no system call: Recall may be called while pinned
	out  []bool      // by page: it is lent
	next int
}

const (
	lentBytes = 8 << 20
	mostLent  = 256 << 10 // in one copy
)

var pageSize = os.Getpagesize()

// IsLent reports whether p is in such pages.
func IsLent(p unsafe.Pointer) bool {
	lent.mu.Lock()
	defer lent.mu.Unlock()
	return len(lent.out) > 0 && uintptr(p)-uintptr(lent.base) < lentBytes
}

// Lend returns n bytes for a copy, aligned to a page, or nil: then they are too many, or too much is
// lent.
func Lend(n int) unsafe.Pointer {
	if n > mostLent {
		return nil
	}
	lent.once.Do(func() {
		if base, err := mapped(lentBytes, unix.PROT_NONE, noReserve); err == nil {
			lent.base, lent.out = base, make([]bool, lentBytes/pageSize)
		}
	})
	want := pagesOf(n)
	first := takePages(want)
	if first < 0 {
		return nil
	}
	b := block{unsafe.Add(lent.base, first*pageSize), uintptr(want * pageSize)}
	if protectLent(b, protection) != nil {
		dropPages(first, want)
		return nil
	}
	return b.p
}

func pagesOf(n int) int { return (n + pageSize - 1) / pageSize }

// takePages returns the first of n pages in a row, which are lent from now on, or -1.
func takePages(want int) (first int) {
	lent.mu.Lock()
	defer lent.mu.Unlock()
	for run := 0; run < len(lent.out); {
		if lent.next+want > len(lent.out) {
			lent.next = 0
			run += want
		}
		pages := lent.out[lent.next:][:want]
		i := busyPage(pages)
		if i < 0 {
			for i := range pages {
				pages[i] = true
			}
			first = lent.next
			lent.next += want
			return first
		}
		lent.next += i + 1
		run += i + 1
	}
	return -1
}

func dropPages(first, n int) {
	lent.mu.Lock()
	defer lent.mu.Unlock()
	clear(lent.out[first:][:n])
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

// Recall makes a copy of n bytes fault where it is touched. With touchable set it does not, but the
// pages may be lent again.
func Recall(p unsafe.Pointer, n int, touchable bool) {
	n = pagesOf(n)
	if !touchable {
		protectLent(block{p, uintptr(n * pageSize)}, unix.PROT_NONE) // if refused, it is poisoned
	}
	dropPages(int(uintptr(p)-uintptr(lent.base))/pageSize, n)
}

package pages

import (
	"os"
	"sync"
	"unsafe"
)

// A Guard is a range of addresses whose pages are opened and shut a few at a time. Shut pages take
// no memory; they fault when they are touched or, if the guard is readable, when they are written
// to. (Idea: GWP-ASan.) One goroutine at a time may call its methods.
type Guard struct {
	block
	readable bool
}

// PageSize is the unit of a Guard.
var PageSize = uintptr(os.Getpagesize())

// spare has the addresses of readable guards that ended, by size: they stay readable, as zeros.
var spare struct {
	mu   sync.Mutex // guards free
	free map[uintptr][]unsafe.Pointer
}

// NewGuard reserves size bytes, a multiple of PageSize, none of them open.
func NewGuard(size uintptr, readable bool) (g *Guard, err error) {
	g = &Guard{block{nil, size}, readable}
	switch {
	case onGoHeap:
		g.p, err = allocGo(size)
	case readable && g.takeSpare():
	default:
		g.p, err = reserveBare(size)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

func (g *Guard) takeSpare() bool {
	spare.mu.Lock()
	defer spare.mu.Unlock()
	list := spare.free[g.size]
	if len(list) == 0 {
		return false
	}
	g.p, spare.free[g.size] = list[len(list)-1], list[:len(list)-1]
	return true
}

// Base returns where the guard begins.
func (g *Guard) Base() unsafe.Pointer { return g.p }

// Open lets n bytes from offset off be touched: zeros, if they were shut or wiped. It fails if the
// system refuses.
func (g *Guard) Open(off, n uintptr) error {
	if onGoHeap {
		return nil
	}
	return protect(g.part(off, n), protection)
}

// Shut gives the memory of open pages to the system, and has them fault. It returns false if the
// system refuses, or can't: then they stay open, and their contents are undefined.
func (g *Guard) Shut(off, n uintptr) bool {
	if onGoHeap {
		return false
	}
	b, prot := g.part(off, n), untouched
	if g.readable {
		prot = readOnly
	}
	decommit(b.p, b.size)
	return protect(b, prot) == nil
}

// Wipe makes open pages zero, and gives their memory to the system where it can.
func (g *Guard) Wipe(off, n uintptr) {
	b := g.part(off, n)
	if onGoHeap {
		clear(b.bytes())
		return
	}
	decommit(b.p, b.size)
}

// End gives the addresses to the system; those of a readable guard to the next one, since readers
// may still come.
func (g *Guard) End() {
	switch {
	case onGoHeap:
		freeGo(g.p, g.size, true)
	case !g.readable:
		unmap(g.p, g.size)
	default:
		g.Shut(0, g.size)
		spare.mu.Lock()
		defer spare.mu.Unlock()
		if spare.free == nil {
			spare.free = make(map[uintptr][]unsafe.Pointer)
		}
		spare.free[g.size] = append(spare.free[g.size], g.p)
	}
}

func (g *Guard) part(off, n uintptr) block { return block{unsafe.Add(g.p, off), n} }

package pages

import (
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"unsafe"
)

// A Guard is a range of addresses whose pages are opened and shut a few at a time. Shut pages take
// no memory; they fault when they are touched or, if the guard is readable, when they are written
// to. (Idea: GWP-ASan.) One goroutine at a time may call its methods.
type Guard struct {
	block
	readable bool
	high     uintptr // pages from here on were never open; all others are in everOpened
}

// everOpened counts the pages below the high of each guard. Each can be a mapping of its own, also
// when it was shut again, and a process that has as many as the system permits is at its end: the Go
// runtime gets no memory then. So the guards together have a share of them. Written by atomic add.
var everOpened atomic.Int64

// mostOpened bounds everOpened: a quarter of what the system permits.
var mostOpened = sync.OnceValue(func() int64 { return mostMappings() / 4 })

var errMappings = errors.New("pages: the guards have their share of the mappings of a process")

// PageSize is the unit of a Guard.
var PageSize = uintptr(os.Getpagesize())

// spare has the readable guards that ended, by size: they stay readable, as zeros.
var spare struct {
	mu   sync.Mutex // guards free
	free map[uintptr][]*Guard
}

// NewGuard reserves size bytes, a multiple of PageSize, none of them open.
func NewGuard(size uintptr, readable bool) (g *Guard, err error) {
	mostOpened() // reads a file
	if readable {
		if g := takeSpare(size); g != nil {
			return g, nil
		}
	}
	g = &Guard{block: block{nil, size}, readable: readable}
	if onGoHeap {
		g.p, err = allocGo(size)
	} else {
		g.p, err = reserveBare(size)
	}
	if err != nil {
		return nil, err
	}
	return g, nil
}

func takeSpare(size uintptr) *Guard {
	spare.mu.Lock()
	defer spare.mu.Unlock()
	list := spare.free[size]
	if len(list) == 0 {
		return nil
	}
	g := list[len(list)-1]
	spare.free[size] = list[:len(list)-1]
	return g
}

// Base returns where the guard begins.
func (g *Guard) Base() unsafe.Pointer { return g.p }

// Open lets n bytes from offset off be touched: zeros, if they were shut or wiped. It fails if the
// system refuses, or too many pages of guards were ever open. It allocates nothing.
func (g *Guard) Open(off, n uintptr) error {
	if onGoHeap {
		return nil
	}
	if off+n > g.high {
		more := int64((off + n - g.high) / PageSize)
		if everOpened.Add(more) > mostOpened() {
			everOpened.Add(-more)
			return errMappings
		}
		g.high = off + n
	}
	b := g.part(off, n)
	err := protectBare(b, protection)
	if err != nil && n > PageSize { // some may be open
		protectBare(b, g.shutProtection())
	}
	return err
}

func (g *Guard) shutProtection() int {
	if g.readable {
		return readOnly
	}
	return untouched
}

// Shut gives the memory of open pages to the system, and has them fault. It returns false if the
// system refuses, or can't: then all of them are open, and their contents are undefined. (If it also
// refuses to open again those that were shut, Shut returns true: none may be touched.) It allocates
// nothing.
func (g *Guard) Shut(off, n uintptr) bool {
	if onGoHeap {
		return false
	}
	b := g.part(off, n)
	decommit(b.p, b.size)
	return protectBare(b, g.shutProtection()) == nil || protectBare(b, protection) != nil
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

// Clear gives all memory to the system, where it can, and has all pages fault. The addresses stay
// this guard's until End.
func (g *Guard) Clear() {
	if !onGoHeap {
		decommit(g.p, g.size)
		protectBare(g.block, g.shutProtection())
	}
}

// End gives the addresses to the system; those of a readable guard to the next one, since readers
// may still come.
func (g *Guard) End() {
	switch {
	case onGoHeap:
		freeGo(g.p, g.size, true)
	case !g.readable:
		unmap(g.p, g.size)
		everOpened.Add(-int64(g.high / PageSize))
	default:
		g.Clear()
		spare.mu.Lock()
		defer spare.mu.Unlock()
		if spare.free == nil {
			spare.free = make(map[uintptr][]*Guard)
		}
		spare.free[g.size] = append(spare.free[g.size], g)
	}
}

func (g *Guard) part(off, n uintptr) block { return block{unsafe.Add(g.p, off), n} }

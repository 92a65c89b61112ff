package main

import (
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// An element is what readers of the crowd and of duels load.
type element struct {
	body

	// The rest is the owner's alone.

	shelf      *shelf
	generation uint64
	kind       writerKind // what brings about its grace periods
	size       int        // given to Call

	// called is true from a Call of the element until its callback, to check that each call has
	// one.
	called atomic.Bool
}

// A cell is a place where readers find elements.
type cell struct {
	ptr smr.Pointer[element]

	// The pointer has its own line: readers hit it in their cache, run ahead of their own entry's
	// store, and so find a missing fence.
	_ [pcpu.Stride]byte

	serializedBy serialization // constant
	mu           sync.Mutex

	_ [pcpu.Stride]byte
}

// A serialization tells what keeps the writers of a cell apart.
type serialization uint8

const (
	byNothing serialization = iota // they use Swap
	byLock
	byOwner // there is one writer, and its store is not followed by a fence
)

// replace publishes fresh, which may be nil, and returns what it unlinked, or nil.
func (c *cell) replace(fresh *element) (old *element) {
	switch c.serializedBy {
	case byNothing:
		return c.ptr.Swap(fresh)
	case byLock:
		c.mu.Lock()
		defer c.mu.Unlock()
	}
	old = c.ptr.LoadSerialized()
	if fresh == nil {
		c.ptr.Clear()
	} else {
		c.ptr.Store(fresh)
	}
	return old
}

// A shelf is the shared structure under torture: a domain, its elements, and the
// cells that lead to them.
type shelf struct {
	fate.Shared // by many calls at a time

	dom    *smr.Domain
	faults *faults
	cells  []cell
	elems  []element

	// Deferred calls of elements made, and their callbacks finished.
	calls, callbacks atomic.Uint64

	// graces counts how often elements aged after a callback, by kind.
	graces [numWriterKinds]atomic.Uint64

	mu   sync.Mutex
	free []*element // last in, first out: what was just freed is used first
}

// newShelf makes a shelf of elements, with one cell for each of cells.
func newShelf(dom *smr.Domain, f *faults, elements int, cells ...serialization) *shelf {
	p := &shelf{dom: dom, faults: f, elems: make([]element, elements), cells: make([]cell, len(cells))}
	for i := range p.elems {
		e := &p.elems[i]
		e.shelf = p
		e.age.Store(reusable)
		e.fill(poison)
		p.free = append(p.free, e)
	}
	for i := range p.cells {
		p.cells[i].serializedBy = cells[i]
		p.cells[i].ptr.Init(p.take(0))
	}
	return p
}

// take returns an element ready to be published, or nil if at most reserve are in the free list.
func (p *shelf) take(reserve int) *element {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) <= reserve {
		return nil
	}
	e := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	e.generation++
	e.begin(e.generation)
	return e
}

func (p *shelf) put(e *element) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, e)
}

// ripen ages an unlinked element after a grace period that began when it had its present age. It
// reports whether more ages follow; if not, the element is back in the free list.
func (p *shelf) ripen(e *element) bool {
	age := e.age.Load() + 1
	if age <= unlinked || age > reusable {
		p.faults.add(faultCallback, "an element aged from %d to %d", age-1, age)
		return false
	}
	e.age.Store(age)
	if age == retired {
		e.fill(poison)
	}
	if age < reusable {
		return true
	}
	p.put(e)
	return false
}

// announce notes that e is about to be given to Call.
func (p *shelf) announce(e *element) {
	if e.called.Swap(true) {
		p.faults.add(faultCallback, "an element was to be called again before its callback ran")
	}
	p.calls.Add(1)
}

// answered notes that e's callback runs.
func (p *shelf) answered(e *element) {
	if !e.called.Swap(false) {
		p.faults.add(faultCallback, "a callback ran twice, or without a call")
	}
	p.graces[e.kind].Add(1)
}

// call ages e by callbacks, each of which calls for the next.
func (p *shelf) call(e *element) {
	p.announce(e)
	smr.Call(p.dom, e, e.size, (*element).callback)
}

func (e *element) callback() {
	p := e.shelf
	p.answered(e)
	if p.ripen(e) {
		p.call(e)
	}
	p.callbacks.Add(1)
}

// callFunc is call with CallFunc.
func (p *shelf) callFunc(e *element) {
	p.announce(e)
	p.dom.CallFunc(e.size, func() {
		p.answered(e)
		if p.ripen(e) {
			p.callFunc(e)
		}
		p.callbacks.Add(1)
	})
}

// checkIdle checks, after the domain was closed, that every call had its
// callback and that no element was lost.
func (p *shelf) checkIdle() {
	if calls, callbacks := p.calls.Load(), p.callbacks.Load(); calls != callbacks {
		p.faults.add(faultLeak, "%d calls, %d callbacks", calls, callbacks)
	}
	inUse := 0
	for i := range p.cells {
		if p.cells[i].ptr.LoadUnserialized() != nil {
			inUse++
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if n := inUse + len(p.free); n != len(p.elems) {
		p.faults.add(faultLeak, "%d elements are live and %d free, of %d", inUse, len(p.free), len(p.elems))
	}
}

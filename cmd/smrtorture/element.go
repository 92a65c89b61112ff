package main

import (
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// The ages of an element. Grace periods take it from unlinked to reusable.
const (
	live     = 0
	unlinked = 1  // the oldest that a reader may see
	retired  = 2  // one grace period is over: no reader holds it
	reusable = 10 // back in the free list
)

const payloadWords = 8

// poison is in the payload of an element that no reader may hold. No generation
// reaches it.
const poison = 0xdead_beef_dead_beef

// An element is what readers look at. It belongs to one goroutine at a time, the
// one that initializes, unlinks or ages it, and to any number of readers while
// its age is live or unlinked.
type element struct {
	// age is atomic because readers may look at it while it goes from live to
	// unlinked. Written by the owner.
	age atomic.Int32

	// payload is plain, to be looked after by the race detector. All words are
	// equal: the generation, or poison.
	payload [payloadWords]uint64

	// The rest is the owner's alone.

	pool       *pool
	generation uint64
	kind       writerKind // what brings about its grace periods
	size       int        // given to Call

	// called is true from a Call of the element until its callback, to see
	// that each call has one.
	called atomic.Bool
}

// look reads the payload. sound is false if it is not one that a live element
// has.
func (e *element) look() (word uint64, sound bool) {
	word = e.payload[0]
	sound = word != poison
	for _, w := range e.payload[1:] {
		if w != word {
			sound = false
		}
	}
	return word, sound
}

func (e *element) fill(word uint64) {
	for i := range e.payload {
		e.payload[i] = word
	}
}

// A cell is a place where readers find elements.
type cell struct {
	ptr smr.Pointer[element]

	// A line of its own for the pointer: readers hit it in their cache, run
	// ahead of their own entry's store, and so find a fence that is missing.
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

// replace publishes fresh, which may be nil, and returns what it unlinked, which
// may be nil too.
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

// A pool is the shared structure under torture: a domain, its elements, and the
// cells that lead to them.
type pool struct {
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

// newPool makes a pool of elements, with one cell for each of cells.
func newPool(dom *smr.Domain, f *faults, elements int, cells ...serialization) *pool {
	p := &pool{dom: dom, faults: f, elems: make([]element, elements), cells: make([]cell, len(cells))}
	for i := range p.elems {
		e := &p.elems[i]
		e.pool = p
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

// take returns an element that is ready to be published, or nil if there are no
// more than reserve in the free list.
func (p *pool) take(reserve int) *element {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) <= reserve {
		return nil
	}
	e := p.free[len(p.free)-1]
	p.free = p.free[:len(p.free)-1]
	e.generation++
	e.fill(e.generation)
	e.age.Store(live)
	return e
}

func (p *pool) put(e *element) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, e)
}

// ripen makes an unlinked element older, after a grace period that began when it
// had its present age. It reports whether it has further to go; if not, it is
// back in the free list.
func (p *pool) ripen(e *element) bool {
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
func (p *pool) announce(e *element) {
	if e.called.Swap(true) {
		p.faults.add(faultCallback, "an element was to be called again before its callback ran")
	}
	p.calls.Add(1)
}

// answered notes that e's callback runs.
func (p *pool) answered(e *element) {
	if !e.called.Swap(false) {
		p.faults.add(faultCallback, "a callback ran twice, or without a call")
	}
	p.graces[e.kind].Add(1)
}

// call has e age by callbacks, each of which calls for the next.
func (p *pool) call(e *element) {
	p.announce(e)
	smr.Call(p.dom, e, e.size, (*element).callback)
}

func (e *element) callback() {
	p := e.pool
	p.answered(e)
	if p.ripen(e) {
		p.call(e)
	}
	p.callbacks.Add(1)
}

// callFunc is call by way of CallFunc.
func (p *pool) callFunc(e *element) {
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
func (p *pool) checkIdle() {
	st := p.dom.Stats()
	if st.PendingCalls != 0 || st.PendingBytes != 0 || st.Sections != 0 {
		p.faults.add(faultLeak, "the closed domain has %d calls (%d bytes) pending and %d sections open",
			st.PendingCalls, st.PendingBytes, st.Sections)
	}
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

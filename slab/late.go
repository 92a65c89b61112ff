package slab

import (
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/pinned"
	"github.com/gosmr/gosmr/smr"
)

// A deferral ends objects once their readers have left, and nothing holds them: by a call of the domain
// or, since a closed domain takes none, by a poll, of Close or of a Get that needs memory.
type deferral[T any] struct {
	dom   *smr.Domain
	end   func(*T)
	ended func(unsafe.Pointer) // end of what was given to after by that address; all constant

	mu   pinned.Lock // guards late; no lock is taken with it held
	late []lateObject[T]
}

// A lateObject came after the domain was closed.
type lateObject[T any] struct {
	obj  *T
	p    unsafe.Pointer // what readers know it by
	goal smr.Seq
}

// init makes d ready for use. find finds what was given to after, by its address; it may return nil once
// all was abandoned. So a Retire allocates no closure.
func (d *deferral[T]) init(dom *smr.Domain, end func(*T), find func(p unsafe.Pointer) *T) {
	d.dom, d.end = dom, end
	d.ended = func(p unsafe.Pointer) {
		if obj := find(p); obj != nil {
			end(obj)
		}
	}
}

// after ends obj, which readers know by p, and of size bytes, after a grace period. It does not block. It
// reports false if that is for a poll to do.
func (d *deferral[T]) after(obj *T, p unsafe.Pointer, size int) bool {
	if held.Of(d.dom).Call(p, size, d.ended) {
		return true
	}
	d.add(lateObject[T]{obj, p, d.dom.Advance()})
	return false
}

// poll ends the late objects that no reader can hold, and nothing does.
func (d *deferral[T]) poll() {
	var unread []lateObject[T]
	for _, l := range d.take() {
		if d.dom.Poll(l.goal) {
			unread = append(unread, l)
		} else {
			d.add(l)
		}
	}
	if unread == nil {
		return
	}
	set := held.Of(d.dom).Now() // after all polls
	for _, l := range unread {
		if set.Has(uintptr(l.p)) {
			d.add(l)
		} else {
			d.end(l.obj)
		}
	}
}

// holds reports whether a late object is in the set.
func (d *deferral[T]) holds(set *held.Set) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.late, func(l lateObject[T]) bool { return set.Has(uintptr(l.p)) })
}

func (d *deferral[T]) add(l lateObject[T]) {
	d.mu.Lock()
	d.late = append(d.late, l)
	d.mu.Unlock()
}

// take returns the late objects, which are the caller's then.
func (d *deferral[T]) take() []lateObject[T] {
	d.mu.Lock()
	defer d.mu.Unlock()
	late := d.late
	d.late = nil
	return late
}

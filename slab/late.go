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
	dom *smr.Domain
	end func(*T) // constant, as dom

	mu   pinned.Lock // guards late; no lock is taken with it held
	late []lateObject[T]
}

// A lateObject came after the domain was closed.
type lateObject[T any] struct {
	obj  *T
	p    unsafe.Pointer // what readers know it by
	goal smr.Seq
}

// after ends obj, which readers know by p, and of size bytes, after a grace period. It does not block. It
// reports false if that is for a poll to do.
func (d *deferral[T]) after(obj *T, p unsafe.Pointer, size int) bool {
	if held.Of(d.dom).Call(p, size, func(unsafe.Pointer) { d.end(obj) }) {
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

// has reports whether a late object is at addr.
func (d *deferral[T]) has(addr uintptr) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.ContainsFunc(d.late, func(l lateObject[T]) bool { return uintptr(l.p) == addr })
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

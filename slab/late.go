package slab

import (
	"github.com/gosmr/gosmr/internal/pinned"
	"github.com/gosmr/gosmr/smr"
)

// A deferral ends objects once their readers have left: by a call of the domain or, since a closed
// domain takes none, by a poll, of Close or of a Get that needs memory.
type deferral[T any] struct {
	dom *smr.Domain
	end func(*T) // constant, as dom

	mu   pinned.Lock // guards late; no lock is taken with it held
	late []lateObject[T]
}

// A lateObject came after the domain was closed.
type lateObject[T any] struct {
	obj  *T
	goal smr.Seq
}

// after ends obj, of size bytes, after a grace period. It does not block.
func (d *deferral[T]) after(obj *T, size int) {
	if !smr.TryCall(d.dom, obj, size, d.end) {
		d.add(lateObject[T]{obj, d.dom.Advance()})
	}
}

// poll ends the late objects that no reader can hold.
func (d *deferral[T]) poll() {
	for _, l := range d.take() {
		if d.dom.Poll(l.goal) {
			d.end(l.obj)
		} else {
			d.add(l)
		}
	}
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

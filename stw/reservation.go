package stw

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// ErrExhausted is returned by [Reservation.Alloc] when the domain's area is full.
var ErrExhausted = errors.New("stw: the domain's area is exhausted")

// A Reservation is memory off the Go heap with an area for each slot of a world, in
// which the domain that has the slot allocates by moving a pointer. Areas are
// emptied, and resized, all together, in a stop. What a domain allocated stays when
// it ends, until then; the next domain in its slot goes on behind it.
//
// The memory is not looked into by the collector, so it must not hold the only
// reference to anything on the Go heap. Idea: the minor heaps of OCaml 5.
type Reservation struct {
	w    *World
	mem  []byte // written in stops, read by domains
	size int    // of an area
	tops []areaTop
}

// areaTop is how much of an area is in use: a word of the domain that has the slot.
type areaTop struct {
	n int
	_ [pcpu.Stride - unsafe.Sizeof(int(0))]byte
}

// Alignment of what Alloc returns.
const allocAlign = 16

// NewReservation reserves memory with an area of the given size, in bytes, for each
// slot of the world. The system provides it as it is used. Give it back with
// [Reservation.Release].
func (w *World) NewReservation(area int) (*Reservation, error) {
	r := &Reservation{w: w, tops: make([]areaTop, w.opts.Max)}
	mem, size, err := r.reserve(area)
	if err != nil {
		return nil, err
	}
	r.mem, r.size = mem, size
	return r, nil
}

// reserve maps memory for areas of the given size, rounded up.
func (r *Reservation) reserve(area int) (mem []byte, size int, err error) {
	const page = 4096
	if area < 0 || area > (math.MaxInt-page)/len(r.tops)-page {
		return nil, 0, fmt.Errorf("stw: reserve %d areas of %d bytes: out of range", len(r.tops), area)
	}
	size = (area + page - 1) &^ (page - 1)
	if size == 0 {
		return nil, 0, nil
	}
	if mem, err = mapMemory(size * len(r.tops)); err != nil {
		return nil, 0, fmt.Errorf("stw: reserve %d areas of %d bytes: %w", len(r.tops), size, err)
	}
	return mem, size, nil
}

// Alloc returns size bytes of the domain's area, aligned to 16, valid until the
// next Resize, Reset or Release; or [ErrExhausted]. Their contents are whatever was
// there. Owner of d, or a function that is run for it. Cost: a comparison and an
// addition.
func (r *Reservation) Alloc(d *Domain, size int) ([]byte, error) {
	top := &r.tops[d.slot].n
	if size < 0 || size > r.size-*top {
		return nil, ErrExhausted
	}
	from := d.slot*r.size + *top
	*top = min(r.size, *top+(size+allocAlign-1)&^(allocAlign-1))
	return r.mem[from : from+size : from+size], nil
}

// Used returns how many bytes of the domain's area are in use. Owner of d, or a
// function that is run for it.
func (r *Reservation) Used(d *Domain) int { return r.tops[d.slot].n }

// Area returns the size of an area. Call it as a domain of the world.
func (r *Reservation) Area() int { return r.size }

// Reset empties all areas, in one stop that d leads. evacuate, if it is not nil, is
// run first, for every domain: to move what is still needed. If that panics for one
// of them, or ends its goroutine, nothing is emptied: the panic is passed on, or an
// error returned. Owner of d.
func (r *Reservation) Reset(d *Domain, evacuate Handler) error {
	return r.swap(d, evacuate, func() {})
}

// Resize replaces all areas by empty ones of another size, in one stop that d leads,
// after evacuate as for Reset. If the system has not got the memory it returns an
// error, and nothing has changed. Owner of d.
func (r *Reservation) Resize(d *Domain, area int, evacuate Handler) error {
	mem, size, err := r.reserve(area)
	if err != nil {
		return err
	}
	unused := mem
	defer func() { unmapMemory(unused) }()
	return r.swap(d, evacuate, func() {
		unused, r.mem, r.size = r.mem, mem, size
	})
}

// Release gives the memory back, in one stop that d leads. After it, Alloc returns
// ErrExhausted. Owner of d.
func (r *Reservation) Release(d *Domain) {
	if err := r.Resize(d, 0, nil); err != nil {
		panic(err) // nothing is asked of the system
	}
}

// swap runs evacuate for all domains, and then, unless that failed for one of them,
// change and emptying, once.
func (r *Reservation) swap(d *Domain, evacuate Handler, change func()) error {
	var moved atomic.Int32
	changed := false
	r.w.RunOnAll(d, func(d *Domain, s *Stop) {
		if evacuate != nil {
			evacuate(d, s)
		}
		moved.Add(1)
		s.Barrier(func() {
			if int(moved.Load()) != len(s.Participants()) {
				return
			}
			change()
			clear(r.tops)
			changed = true
		})
	}, StopOptions{})
	if !changed {
		return errors.New("stw: evacuate of a Reservation did not return for every domain")
	}
	return nil
}

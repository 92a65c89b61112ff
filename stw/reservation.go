package stw

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/pcpu"
)

// ErrExhausted is returned by [Reservation.Alloc] when the domain's area is full.
var ErrExhausted = errors.New("stw: the domain's area is exhausted")

// A Reservation is memory off the Go heap, with an area for each slot of a world. A domain
// allocates in its slot's area by moving a pointer. A stop empties or resizes all areas together.
// Until then an allocation stays, even after its domain has ended; the next domain in that slot
// allocates behind it.
//
// The first allocation in an area maps it, so unused slots cost nothing where the system locks
// mappings (mlockall), limits addresses or does not overcommit.
//
// Go's collector does not scan the memory: it must not hold the only reference to a Go object. It
// stays until [Reservation.Release], even if the Reservation becomes unreachable.
type Reservation struct {
	w     *World
	size  int    // of an area; written in stops, read by domains
	areas []area // by slot

	mu   ssync.Mutex
	open []bool // by slot, under mu: the area is mapped
}

// An area belongs to the domain in its slot; a stop replaces it.
type area struct {
	mem  []byte // nil until something is allocated in it
	used int
	_    [pcpu.Stride - unsafe.Sizeof([]byte(nil)) - unsafe.Sizeof(int(0))]byte
}

// The size of an area is a multiple of areaPage, which is at least allocAlign.
const (
	areaPage   = 4096
	allocAlign = 16
)

// NewReservation returns a reservation with an area of size bytes, rounded up to pages, for each
// slot of the world. It maps the first area; if the system refuses, the error wraps [ErrNoMemory].
// A negative size, or one that exceeds the address space, is another error. Give the memory back
// with [Reservation.Release].
func (w *World) NewReservation(size int) (*Reservation, error) {
	size, err := areaSize(size)
	if err != nil {
		return nil, err
	}
	r := &Reservation{w: w, size: size, areas: make([]area, w.opts.Max), open: make([]bool, w.opts.Max)}
	if size > 0 {
		if r.areas[0].mem, err = r.mapArea(0, size); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// areaSize rounds the size of an area up to pages.
func areaSize(size int) (int, error) {
	if size < 0 || size > math.MaxInt-areaPage {
		return 0, fmt.Errorf("stw: an area of %d bytes is out of range: want 0 to %d", size, math.MaxInt-areaPage)
	}
	return (size + areaPage - 1) &^ (areaPage - 1), nil
}

// mapArea returns memory for the area of a slot.
func (r *Reservation) mapArea(slot, size int) ([]byte, error) {
	mem, err := spare.takeRange(size)
	if err != nil {
		return nil, fmt.Errorf("stw: map an area of a Reservation, of slot %d: %w", slot, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.open[slot] = true
	return mem, nil
}

// Alloc returns size bytes of the domain's area, aligned to 16, with arbitrary contents and valid
// until the next Resize, Reset or Release. It returns [ErrExhausted] if the area is full. If the
// system refuses to map the area, the error wraps [ErrNoMemory], and a later Alloc tries again.
// Call it only from the domain's own goroutine, or from a function that runs for the domain.
//
// Cost: a comparison and an addition; the first Alloc in an area maps it.
func (r *Reservation) Alloc(d *Domain, size int) ([]byte, error) {
	a := &r.areas[d.slot]
	if size < 0 || size > len(a.mem)-a.used {
		if err := r.openFor(a, d.slot, size); err != nil {
			return nil, err
		}
	}
	b := a.mem[a.used : a.used+size : a.used+size]
	a.used = min(len(a.mem), a.used+(size+allocAlign-1)&^(allocAlign-1))
	return b, nil
}

// openFor maps the area of a slot if it is not mapped yet and size bytes will fit into it.
func (r *Reservation) openFor(a *area, slot, size int) (err error) {
	if a.mem != nil || size < 0 || size > r.size {
		return ErrExhausted
	}
	a.mem, err = r.mapArea(slot, r.size)
	return err
}

// Used returns how many bytes of the domain's area are in use. Call it only where Alloc is allowed.
func (r *Reservation) Used(d *Domain) int { return r.areas[d.slot].used }

// Area returns the size of an area. Call it only from a running domain of the world.
func (r *Reservation) Area() int { return r.size }

// Reset empties all areas in one stop that d leads. If evacuate is not nil, it runs first for every
// domain, to move what is still needed. If evacuate panics for one of them, Reset passes on the
// panic; if it ends a goroutine, Reset returns an error. Either way nothing is emptied. Call Reset
// only from d's own goroutine.
func (r *Reservation) Reset(d *Domain, evacuate Handler) error {
	return r.swap(d, evacuate, func() {})
}

// Resize is Reset, and replaces all areas by empty ones of another size. Before the stop it maps a
// new area for each domain that has one. If the system refuses, Resize changes nothing and returns
// an error that wraps [ErrNoMemory]. Call it only from d's own goroutine.
func (r *Reservation) Resize(d *Domain, size int, evacuate Handler) error {
	size, err := areaSize(size)
	if err != nil {
		return err
	}
	unused := make([][]byte, len(r.areas)) // by slot
	defer func() { spare.giveBack(unused...) }()
	if size > 0 {
		for _, slot := range r.slotsInUse() {
			if unused[slot], err = r.mapArea(slot, size); err != nil {
				return err
			}
		}
	}
	return r.swap(d, evacuate, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.size = size
		for i := range r.areas {
			r.areas[i].mem, unused[i] = unused[i], r.areas[i].mem
			r.open[i] = r.areas[i].mem != nil
		}
	})
}

// slotsInUse returns the slots of domains whose areas are mapped.
func (r *Reservation) slotsInUse() (slots []int) {
	r.w.mu.Lock()
	defer r.w.mu.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot, open := range r.open {
		if open && r.w.slots[slot] {
			slots = append(slots, slot)
		}
	}
	return slots
}

// Release gives the memory back, in one stop that d leads. After it, Alloc returns ErrExhausted.
// Memory that the system refuses to take back becomes part of other areas, or is given back later.
// Call it only from d's own goroutine.
func (r *Reservation) Release(d *Domain) {
	if err := r.Resize(d, 0, nil); err != nil {
		panic(err) // cannot happen: no area is mapped
	}
}

// swap runs evacuate for all domains in one stop. If it returns for all, swap calls change and
// empties all areas.
func (r *Reservation) swap(d *Domain, evacuate Handler, change func()) error {
	var moved satomic.Int32
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
			for i := range r.areas {
				r.areas[i].used = 0
			}
			changed = true
		})
	}, StopOptions{})
	if !changed {
		return errors.New("stw: evacuate of a Reservation did not return for every domain")
	}
	return nil
}

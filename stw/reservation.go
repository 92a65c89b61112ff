package stw

import (
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"unsafe"

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
// mappings (mlockall), limits addresses or does not overcommit. [Reservation.Reset] says which pages
// go back to the system. When a domain ends, its area keeps only what is allocated in it.
//
// Go's collector does not scan the memory: it must not hold the only reference to a Go object. It
// stays until [Reservation.Release], even if the Reservation becomes unreachable.
type Reservation struct {
	w     *World
	size  int    // of an area; written in stops, read by domains
	moves int    // how many have had their turn; written by the leader, read in stops
	areas []area // by slot

	mu     ssync.Mutex
	open   []bool // by slot, under mu: the area is mapped
	wishes []int  // under mu: the sizes for which calls of GrowTo are waiting
}

// An area belongs to the domain in its slot; in stops its handler, or the last one in, changes it.
type area struct {
	mem     []byte // nil until something is allocated in it
	used    int
	touched int // at most mem[:touched], or what is used, is resident
	last    int // how much was used when the area was last emptied
	here    int // the number of the last move that the domain took part in
	_       [pcpu.Stride - unsafe.Sizeof([]byte(nil)) - 4*unsafe.Sizeof(int(0))]byte
}

const allocAlign = 16

// The size of an area is a multiple of areaPage, so that pages of one are never pages of another.
var areaPage = os.Getpagesize()

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
		if err := r.openArea(0, size); err != nil {
			return nil, err
		}
	}
	r.tracked(size > 0)
	return r, nil
}

// tracked adds the reservation to those of its world, or removes it.
func (r *Reservation) tracked(is bool) {
	w := r.w
	w.mu.Lock()
	defer w.mu.Unlock()
	var all []*Reservation
	if old := w.reservations.Load(); old != nil {
		all = slices.DeleteFunc(slices.Clone(*old), func(o *Reservation) bool { return o == r })
	}
	if is {
		all = append(all, r)
	}
	w.reservations.Store(&all)
}

// areaSize rounds the size of an area up to pages.
func areaSize(size int) (int, error) {
	if size < 0 || size > math.MaxInt-areaPage {
		return 0, fmt.Errorf("stw: an area of %d bytes is out of range: want 0 to %d", size, math.MaxInt-areaPage)
	}
	return wholePages(size), nil
}

func wholePages(size int) int { return (size + areaPage - 1) &^ (areaPage - 1) }

// openArea maps the area of a slot.
func (r *Reservation) openArea(slot, size int) (err error) {
	if r.areas[slot].mem, err = mapArea(slot, size); err == nil {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.open[slot] = true
	}
	return err
}

// mapArea returns memory for an area of a slot.
func mapArea(slot, size int) ([]byte, error) {
	mem, err := spare.takeRange(size)
	if err != nil {
		return nil, fmt.Errorf("stw: map an area of a Reservation, of slot %d: %w", slot, err)
	}
	return mem, nil
}

// Alloc returns size bytes of the domain's area, aligned to 16, with arbitrary contents and valid
// until the next Reset, Resize, GrowTo or Release. It returns [ErrExhausted] if the area is full. If the
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
func (r *Reservation) openFor(a *area, slot, size int) error {
	if a.mem != nil || size < 0 || size > r.size {
		return ErrExhausted
	}
	return r.openArea(slot, r.size)
}

// Used returns how many bytes of the domain's area are in use. Call it only where Alloc is allowed.
func (r *Reservation) Used(d *Domain) int { return r.areas[d.slot].used }

// Area returns the size of an area. Call it only from a running domain of the world.
func (r *Reservation) Area() int { return r.size }

package stw

import (
	"context"
	"errors"
	"slices"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// retained is how much of an area Reset always leaves. A page that was given back costs a page fault
// when it is used again, ten times as much as writing to it: cycles of 4 MiB took 0.6 to 1.1 ms with
// the rule of Reset, and 10 ms when each gave everything but this back (BenchmarkReservation_Cycle).
const retained = 256 << 10

// Reset empties all areas in one stop that d leads. If evacuate is not nil, it runs first for every
// domain, to move what is still needed; there [Domain.Scan] visits the domain's roots. If evacuate
// panics for one of them, Reset passes on the panic; if it ends a goroutine, Reset returns an error.
// Either way nothing is emptied. Call Reset only from d's own goroutine.
//
// Of each area Reset keeps 256 KiB and, if that is more, twice what each of the last two cycles
// used; a cycle lasts from one Reset to the next. It gives the pages behind that back to the system.
// So a cycle that allocates much, once, leaves no memory behind, and cycles that need the same
// amount again and again keep it. The area of a slot without a domain goes back as a whole.
func (r *Reservation) Reset(d *Domain, evacuate Handler) error {
	return r.ResetContext(context.Background(), d, evacuate)
}

// ResetContext is Reset, but gives up as [World.RunOnAllContext] does: then nothing has changed.
func (r *Reservation) ResetContext(ctx context.Context, d *Domain, evacuate Handler) error {
	m := &move{r: r, evacuate: evacuate}
	return m.run(ctx, d, func(*Stop) error { return nil })
}

// Resize is Reset, and replaces all areas by empty ones of another size. When it leads, and before
// the others stop, it maps a new area for each domain that has one. If the system refuses, Resize
// changes nothing and returns an error that wraps [ErrNoMemory]. Call it only from d's own
// goroutine.
func (r *Reservation) Resize(d *Domain, size int, evacuate Handler) error {
	return r.ResizeContext(context.Background(), d, size, evacuate)
}

// ResizeContext is Resize, but gives up as [World.RunOnAllContext] does: then nothing has changed.
func (r *Reservation) ResizeContext(ctx context.Context, d *Domain, size int, evacuate Handler) error {
	size, err := areaSize(size)
	if err != nil {
		return err
	}
	m := &move{r: r, evacuate: evacuate}
	return m.run(ctx, d, func(s *Stop) error { return m.mapAreas(s, size) })
}

// GrowTo is Resize, unless the areas have that size, or more, when its turn to lead has come: then
// it changes nothing, and does not call evacuate. Of several calls at the same time, the first to
// lead grows the areas to the largest size that is asked for, or to its own if the system refuses
// that, and its evacuate moves what all domains need. Call GrowTo only from d's own goroutine.
func (r *Reservation) GrowTo(d *Domain, size int, evacuate Handler) error {
	return r.GrowToContext(context.Background(), d, size, evacuate)
}

// GrowToContext is GrowTo, but gives up as [World.RunOnAllContext] does: then nothing has changed,
// unless another call has grown the areas.
func (r *Reservation) GrowToContext(ctx context.Context, d *Domain, size int, evacuate Handler) error {
	d.currentPhase().mustRun("GrowTo")
	size, err := areaSize(size)
	if err != nil || size <= r.size {
		return err
	}
	r.wish(size)
	defer r.unwish(size)
	m := &move{r: r, evacuate: evacuate}
	return m.run(ctx, d, func(s *Stop) error {
		if m.unneeded = size <= r.size; m.unneeded {
			return nil
		}
		largest := r.largestWish()
		err := m.mapAreas(s, largest)
		if err != nil && size < largest {
			err = m.mapAreas(s, size)
		}
		return err
	})
}

func (r *Reservation) wish(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wishes = append(r.wishes, size)
}

func (r *Reservation) unwish(size int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	i := slices.Index(r.wishes, size)
	r.wishes = slices.Delete(r.wishes, i, i+1)
}

func (r *Reservation) largestWish() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Max(r.wishes)
}

// Release gives the memory back, in one stop that d leads. After it, Alloc returns ErrExhausted.
// Memory that the system refuses to take back becomes part of other areas, or is given back later.
// Call it only from d's own goroutine.
func (r *Reservation) Release(d *Domain) {
	if err := r.Resize(d, 0, nil); err != nil {
		panic(err) // cannot happen: no area is mapped
	}
}

// A move is a stop that empties all areas or replaces them.
type move struct {
	r        *Reservation
	evacuate Handler

	// Constant when the first participant is told.

	resizes  bool // the areas are replaced by those in memory, of that size
	size     int
	unneeded bool // nothing is to be done

	memory   [][]byte      // by slot: the new areas; then old ones, to give back
	returned satomic.Int32 // participants whose evacuate has returned: each adds itself, the last one in reads it, after all
	done     bool          // written by the last one in, before the others go on
}

// run leads the stop. The leader calls prepare before any participant is told.
func (m *move) run(ctx context.Context, d *Domain, prepare func(*Stop) error) error {
	defer func() { spare.giveBack(m.memory...) }()
	var refusal error
	err := m.r.w.RunOnAllContext(ctx, d, m.handle, StopOptions{Setup: func(s *Stop) {
		refusal = prepare(s)
		m.unneeded = m.unneeded || refusal != nil
		m.r.moves++
	}})
	switch {
	case refusal != nil:
		return refusal
	case err == nil && !m.unneeded && !m.done:
		return errors.New("stw: evacuate of a Reservation did not return for every domain")
	}
	return err
}

// mapAreas maps a new area for each participant that has one. One that ends meanwhile may give its area
// back: which are open is written by change.
func (m *move) mapAreas(s *Stop, size int) (err error) {
	r := m.r
	m.resizes, m.size = true, size
	m.memory = make([][]byte, len(r.areas))
	for _, p := range s.participants {
		if size == 0 || !r.isOpen(p.slot) {
			continue
		}
		if m.memory[p.slot], err = mapArea(p.slot, size); err != nil {
			spare.giveBack(m.memory...)
			m.memory = nil
			return err
		}
	}
	return nil
}

func (r *Reservation) isOpen(slot int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.open[slot]
}

// handle is the handler of the stop. Each participant empties its own area, when all have evacuated
// theirs: giving back pages takes time.
func (m *move) handle(d *Domain, s *Stop) {
	if m.unneeded {
		return
	}
	if m.evacuate != nil {
		m.evacuate(d, s)
	}
	m.r.areas[d.slot].here = m.r.moves
	m.returned.Add(1)
	s.Barrier(func() {
		if int(m.returned.Load()) == len(s.participants) {
			m.change()
			m.done = true
		}
	})
	if m.done {
		m.r.empty(d.slot)
	}
}

// change replaces all areas, or drops those without a domain. It runs alone.
func (m *move) change() {
	r := m.r
	if m.resizes {
		r.size = m.size
		r.tracked(m.size > 0)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for slot := range r.areas {
		a := &r.areas[slot]
		switch {
		case m.resizes:
			m.memory[slot], *a = a.mem, area{mem: m.memory[slot], last: a.used}
		case a.here != r.moves && a.mem != nil:
			m.memory = append(m.memory, a.mem)
			*a = area{}
		}
		r.open[slot] = a.mem != nil
	}
}

// empty empties the area of a slot: see Reset.
func (r *Reservation) empty(slot int) {
	a := &r.areas[slot]
	keep := keeps(a.used, a.last, len(a.mem))
	a.touched = max(a.touched, a.used)
	a.last, a.used = a.used, 0
	r.trim(slot, keep)
}

// keeps returns how much of an area of that size Reset keeps. Twice what is used may exceed an int: it
// takes no more than the size.
func keeps(used, last, size int) int { return max(retained, 2*min(used, last, size/2)) }

// leaveAreas gives back all pages of the domain's areas but those with allocations. The owner calls
// it when it has run its last user code, and before it lets a stand-in act.
func (d *Domain) leaveAreas() {
	all := d.w.reservations.Load()
	if all == nil {
		return
	}
	for _, r := range *all {
		a := &r.areas[d.slot]
		a.touched = max(a.touched, a.used)
		r.trim(d.slot, a.used)
	}
}

// trim gives back the pages of an area behind its first keep bytes. If the system cannot do that, or
// nothing is kept, an empty area goes back as a whole, and the next allocation maps it.
func (r *Reservation) trim(slot, keep int) {
	a := &r.areas[slot]
	keep = wholePages(keep)
	switch {
	case a.touched <= keep:
	case keep > 0 && system.discard(a.mem[keep:wholePages(a.touched)]):
		a.touched = keep
	case a.used == 0:
		spare.giveBack(a.mem)
		*a = area{last: a.last}
		r.mu.Lock()
		r.open[slot] = false
		r.mu.Unlock()
	}
}

package stw

import (
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A ragged is a ragged barrier: one function for every domain.
type ragged struct {
	fn       func(*Domain)
	spins    int
	left     satomic.Int32 // domains that have yet to run fn: each decrements it, ForEach awaits 0
	park     parking
	failures failures
}

// ForEach runs fn once for every domain that is part of the world when ForEach is called, and
// returns when fn has returned for all. A running domain runs fn at its next safe point, a
// suspended one at once, and for a blocked one the caller or a stand-in does. Unlike in a stop,
// domains do not wait for one another. A domain that ends meanwhile runs fn first. One that joins
// meanwhile does not run fn: all that it does happens after the start of ForEach.
//
// If fn panics, ForEach panics with a [*Panic] when all have run fn. The caller runs fn for blocked
// domains one after the other, so fn must not wait for another fn, and runtime.Goexit in fn may end
// the caller. After [World.Stop], ForEach waits for Start. A domain may call it only in
// [Domain.Blocking]; see [Domain.ForEach].
func (w *World) ForEach(fn func(*Domain)) {
	w.checkOutside("ForEach")
	w.forEach(fn)
}

// ForEach is [World.ForEach] of the domain's world. It runs fn for d too. Call it only from the
// domain's own goroutine.
func (d *Domain) ForEach(fn func(*Domain)) {
	d.currentPhase().mustRun("ForEach")
	d.Blocking(func() { d.w.forEach(fn) })
}

// forEach is ForEach for a caller that is not a running domain.
func (w *World) forEach(fn func(*Domain)) {
	if fn == nil {
		panic("stw: ForEach with a nil function")
	}
	r := &ragged{fn: fn}
	var mine []*Domain // the domains that the caller acts for

	// A domain in the set cannot leave it before it has run fn. So the set may change once mu is
	// released, but not the part that this barrier counts on.
	w.mu.Lock()
	n := len(w.set)
	r.left.Store(int32(n))
	r.spins = spinsFor(n + 1)
	for _, d := range w.set {
		d.mu.Lock()
		d.noted.ragged = append(d.noted.ragged, r)
		if d.beginServiceLocked() {
			mine = append(mine, d)
		} else {
			d.askLocked()
		}
		d.checkLocked()
		d.mu.Unlock()
	}
	w.mu.Unlock()

	defer func() { // if fn ends this goroutine, stand-ins act for the rest
		for _, d := range mine {
			sched.Go(d.serveRest)
		}
	}()
	for len(mine) > 0 {
		d := mine[0]
		mine = mine[1:]
		d.serveRagged(r)
	}
	r.park.wait(r.spins, func() bool { return r.left.Load() == 0 })
	if p := r.failures.first; p != nil {
		panic(p)
	}
}

// run runs fn for d. The goroutine that acts for d calls it.
func (r *ragged) run(d *Domain) {
	defer func() {
		if r.left.Add(-1) == 0 {
			r.park.wake()
		}
	}()
	if p := d.catchOnline("a ragged barrier's function", r.fn); p != nil {
		r.failures.add(p)
	}
}

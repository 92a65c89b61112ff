package stw

import (
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
)

// A ragged is a ragged barrier: one function for every domain.
type ragged struct {
	fn    func(*Domain)
	spins int
	left  atomic.Int32 // domains that have yet to run it
	park  parking

	failures failures
}

// ForEach runs fn once for every domain that is part of the world when it is
// called, at that domain's next safe point, or at once on behalf of one that is
// blocked or suspended; and returns when all have. Domains do not wait for one
// another, as they would in a stop. One that ends meanwhile runs it before it does;
// one that comes meanwhile does not: all it does happens after ForEach began.
//
// A panic of fn is passed on as a [*Panic], when all have run it. A domain must not
// call it outside [Domain.Blocking]: [Domain.ForEach] is for domains. While the world
// is stopped by [World.Stop] it waits for Start. For domains that are blocked the
// caller runs fn, one after the other, so a fn must not wait for another; and
// runtime.Goexit in it ends the caller there.
//
// Idea: forEachP of Go's runtime.
func (w *World) ForEach(fn func(*Domain)) {
	w.checkOutside("ForEach")
	w.forEach(fn)
}

// ForEach is [World.ForEach] for the caller's domain's world: it is run for d too,
// before ForEach returns. Owner.
func (d *Domain) ForEach(fn func(*Domain)) {
	d.mustRun("ForEach")
	d.Blocking(func() { d.w.forEach(fn) })
}

func (w *World) forEach(fn func(*Domain)) {
	if fn == nil {
		panic("stw: ForEach with a nil function")
	}
	r := &ragged{fn: fn}
	var mine []*Domain // those that the caller itself acts for

	// Who is asked is part of the world, and can't leave it before it has done
	// what is asked: the set may change, the barrier's share of it does not.
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

	defer func() { // if the function ends the goroutine, others act for the rest
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

// run runs the function for d.
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

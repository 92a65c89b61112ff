package stw

import (
	"context"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A ragged is a ragged barrier: one function for every domain.
type ragged struct {
	w        *World
	fn       func(*Domain)
	spins    int
	left     satomic.Int32 // domains that have yet to run fn: each decrements it, or withdrawRagged; ForEach awaits 0
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
	w.forEach(context.Background(), fn)
}

// ForEachContext is [World.ForEach], but gives up if ctx ends first: then fn begins for no other
// domain, and ForEachContext returns ctx.Err() once the calls of fn that have begun return.
func (w *World) ForEachContext(ctx context.Context, fn func(*Domain)) error {
	w.checkOutside("ForEach")
	return w.forEach(ctx, fn)
}

// ForEach is [World.ForEach] of the domain's world. It runs fn for d too. Call it only from the
// domain's own goroutine.
func (d *Domain) ForEach(fn func(*Domain)) { d.ForEachContext(context.Background(), fn) }

// ForEachContext is [World.ForEachContext] of the domain's world. It runs fn for d too. Call it only
// from the domain's own goroutine.
func (d *Domain) ForEachContext(ctx context.Context, fn func(*Domain)) (err error) {
	d.currentPhase().mustRun("ForEach")
	d.Blocking(func() { err = d.w.forEach(ctx, fn) })
	return err
}

// forEach is ForEachContext for a caller that is not a running domain.
func (w *World) forEach(ctx context.Context, fn func(*Domain)) error {
	if fn == nil {
		panic("stw: ForEach with a nil function")
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r := &ragged{w: w, fn: fn}
	mine := w.beginRagged(r)
	defer func() { // if fn ends this goroutine, stand-ins act for the rest
		for _, d := range mine {
			sched.Go(d.serveRest)
		}
	}()
	for len(mine) > 0 && ctx.Err() == nil {
		d := mine[0]
		mine = mine[1:]
		d.serveRagged(r)
	}
	done := func() bool { return r.left.Load() == 0 }
	x := wait{ctx, w, "ForEach", r}
	err := r.park.waitOr(&x, r.spins, done)
	if err != nil {
		if !w.withdrawRagged(r) {
			err = nil // fn has begun for all
		}
		for ; len(mine) > 0; mine = mine[1:] {
			mine[0].endService(true)
		}
		x.ctx = context.Background()
		r.park.waitOr(&x, r.spins, done)
	}
	if p := r.failures.first; p != nil {
		panic(p)
	}
	return err
}

// beginRagged asks all domains to run r, and returns those that the caller acts for.
func (w *World) beginRagged(r *ragged) (mine []*Domain) {
	// A domain in the set cannot leave it before it has run fn. So the set may change once mu is
	// released, but not the part that this barrier counts on.
	w.mu.Lock()
	defer w.mu.Unlock()
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
	return mine
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

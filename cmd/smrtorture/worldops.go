package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync/atomic"

	"github.com/gosmr/gosmr/stw"
)

// Operations on the domains of a world, and their checks.

// nobodyBusy checks, while the world is stopped, that no domain runs user code.
func (w *world) nobodyBusy(domains []*stw.Domain, when string) {
	for _, d := range domains {
		if w.busy[d.Slot()].bool {
			w.faults.add(faultStop, "%v was at user's code in %s", d, when)
		}
	}
}

// stop stops the world and has each domain take part. Inside the barrier the last one to arrive
// checks the others, and a goal taken before the stop.
func (w *world) stop(d *stw.Domain, rng *rand.Rand) {
	goal := w.dom.Advance()
	synchronize := rng.IntN(4) == 0
	var participants int
	var ran atomic.Int64 // handlers may end at once
	handler := func(p *stw.Domain, s *stw.Stop) {
		w.nobodyBusy(s.Participants(), "a stop")
		s.Barrier(func() {
			w.stopped = s
			if !w.dom.Poll(goal) {
				w.faults.add(faultGoal, "in a stop, a goal is not reached that was taken before it")
			}
		})
		if synchronize && p != s.Leader() { // it waits for the end of the others' handlers
			if err := w.dom.Synchronize(context.Background()); err != nil {
				w.faults.add(faultWait, "Synchronize in a stop: %v", err)
			}
		}
		if w.stopped != s {
			w.faults.add(faultStop, "another stop began before this one had ended")
		}
		ran.Add(1)
	}
	o := stw.StopOptions{Setup: func(s *stw.Stop) { participants = len(s.Participants()) }}
	ctx := w.patience(rng)
	led, err := true, error(nil)
	if rng.IntN(2) == 0 {
		err = w.w.RunOnAllContext(ctx, d, handler, o)
	} else {
		led, err = w.w.TryRunOnAllContext(ctx, d, handler, o)
	}
	if !led || err != nil {
		if n := ran.Load(); n > 0 {
			w.faults.add(faultStop, "a stop failed (%v), but %d handlers ran", err, n)
		}
		return
	}
	w.stops.Add(1)
	if n := ran.Load(); n != int64(participants) {
		w.faults.add(faultStop, "%d handlers ran for %d participants", n, participants)
	}
}

// patience returns a context for a wait, which about one wait in four gives up sooner or later.
func (w *world) patience(rng *rand.Rand) context.Context {
	if rng.IntN(4) > 0 {
		return context.Background()
	}
	ctx, cancel := context.WithCancel(context.Background())
	yields := rng.IntN(200)
	go func() {
		for range yields {
			runtime.Gosched()
		}
		cancel()
	}()
	return ctx
}

// ragged runs a function at a safe point of each domain, once.
func (w *world) ragged(rng *rand.Rand, forEach func(context.Context, func(*stw.Domain)) error) {
	var ran [maxDomains]atomic.Uint64 // ids, by slot
	var over atomic.Bool
	err := forEach(w.patience(rng), func(d *stw.Domain) {
		if over.Load() {
			w.faults.add(faultStop, "a ragged barrier's function runs for %v when ForEach has returned", d)
		}
		if ran[d.Slot()].Swap(d.ID()) == d.ID() {
			w.faults.add(faultStop, "a ragged barrier's function ran twice for %v", d)
		}
		if w.busy[d.Slot()].bool {
			w.faults.add(faultStop, "%v was at user's code in a ragged barrier", d)
		}
	})
	over.Store(true)
	if err == nil {
		w.raggeds.Add(1)
	}
}

// alone has d suspend all others, and perhaps stop the world meanwhile.
func (w *world) alone(d *stw.Domain, rng *rand.Rand) {
	s, err := d.SuspendOthers(context.Background())
	if err != nil {
		w.faults.add(faultWait, "SuspendOthers: %v", err)
		return
	}
	w.nobodyBusy(s.Domains(), "a suspension of the others")
	if rng.IntN(4) == 0 {
		w.stop(d, rng)
	}
	drawStay(rng, false).pass(rng)
	w.nobodyBusy(s.Domains(), "a suspension of the others")
	s.Resume()
	w.suspends.Add(1)
}

// interrupt interrupts some domain, which may be the caller's own or be about to end.
func (w *world) interrupt(rng *rand.Rand) {
	domains := w.w.Domains()
	if len(domains) == 0 {
		return
	}
	d := domains[rng.IntN(len(domains))]
	err := d.Interrupt(func(d *stw.Domain) {
		w.ran.Add(1)
		if w.busy[d.Slot()].bool {
			w.faults.add(faultStop, "%v was at user's code when it was interrupted", d)
		}
	})
	switch {
	case err == nil:
		w.accepted.Add(1)
		w.interrupts.Add(1)
	case !errors.Is(err, stw.ErrDead):
		w.faults.add(faultInterrupt, "Interrupt: %v", err)
	}
}

// outside does one of the things that a goroutine does which is not a domain.
func (w *world) outside(rng *rand.Rand) {
	switch rng.IntN(6) {
	case 0:
		goal := w.dom.Advance()
		if w.w.StopContext(w.patience(rng)) != nil {
			return
		}
		w.nobodyBusy(w.w.Domains(), "a stopped world")
		if !w.dom.Poll(goal) {
			w.faults.add(faultGoal, "in a stopped world, a goal is not reached that was taken before")
		}
		drawStay(rng, rng.IntN(8) == 0).pass(rng)
		w.nobodyBusy(w.w.Domains(), "a stopped world")
		w.w.Start()
		w.stops.Add(1)
	case 1:
		suspended, err := w.w.Suspend(w.patience(rng))
		if err != nil {
			return
		}
		w.nobodyBusy(suspended.Domains(), "a suspension")
		drawStay(rng, false).pass(rng)
		suspended.Resume()
		w.suspends.Add(1)
	case 2:
		if d := w.suspend(rng); d != nil {
			w.nobodyBusy([]*stw.Domain{d}, "a suspension")
			w.interrupt(rng)
			drawStay(rng, rng.IntN(8) == 0).pass(rng)
			d.Resume()
		}
	case 3:
		w.ragged(rng, w.w.ForEachContext)
	case 4:
		for range 1 + rng.IntN(8) {
			w.interrupt(rng)
		}
	case 5:
		w.combine(rng)
	}
}

// combine keeps domains suspended while it stops and starts the world, runs ragged barriers and
// interrupts, in any order that one goroutine can: none of that waits for a domain to be resumed.
func (w *world) combine(rng *rand.Rand) {
	var held []*stw.Domain // suspended, one of them perhaps more than once
	stopped := false
	for range 2 + rng.IntN(12) {
		switch n := rng.IntN(8); {
		case n < 3 && !stopped && len(held) < 4: // in a stopped world it would wait for Start
			if d := w.suspend(rng); d != nil {
				held = append(held, d)
			}
		case n == 3 && len(held) > 0:
			i := rng.IntN(len(held))
			held[i].Resume()
			held = slices.Delete(held, i, i+1)
		case n == 4 && !stopped:
			w.w.Stop()
			stopped = true
			w.stops.Add(1)
		case n < 6 && stopped:
			w.nobodyBusy(w.w.Domains(), "a stopped world")
			w.w.Start()
			stopped = false
		case n == 6 && !stopped:
			w.ragged(rng, w.w.ForEachContext)
		default:
			w.interrupt(rng)
		}
		w.nobodyBusy(held, "a suspension")
		drawStay(rng, rng.IntN(32) == 0).pass(rng)
	}
	if stopped && rng.IntN(2) == 0 {
		w.w.Start()
		stopped = false
	}
	for _, d := range held {
		d.Resume()
	}
	if stopped {
		w.w.Start()
	}
	w.combined.Add(1)
}

// suspend suspends some domain and returns it, or nil if there is none or it has ended.
func (w *world) suspend(rng *rand.Rand) *stw.Domain {
	domains := w.w.Domains()
	if len(domains) == 0 {
		return nil
	}
	d := domains[rng.IntN(len(domains))]
	switch err := d.Suspend(context.Background()); {
	case errors.Is(err, stw.ErrDead):
		return nil
	case err != nil:
		w.faults.add(faultWait, "Suspend: %v", err)
		return nil
	}
	w.suspends.Add(1)
	return d
}

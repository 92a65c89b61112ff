package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// worlds is domains of package stw that read between their safe points, stop each other, and come
// and go; grace periods that wait for them; and two outside goroutines that stop, suspend and
// interrupt them: see worldops.go. This domain of package smr has no other readers: so a stop, in
// which no section is open, must have ended every grace period that waited for one.
//
// While the world is stopped no domain may run user code. What each does in a stop it does with
// plain stores, so the race detector checks that too. Each function accepted by Interrupt has run
// once when the world is closed.
type worlds struct{}

const maxDomains = 64

type world struct {
	w      *stw.World
	dom    *smr.Domain
	shelf  *shelf
	faults *faults
	reads  *readTally
	writes *writeTally
	gate   *gate

	// busy says by slot which domains run user code. Written by the slot's domain, plainly; read by
	// others in stops.
	busy [maxDomains]struct {
		bool
		_ [63]byte
	}

	// stopped is the last stop inside its barrier. Plain: stops come one after another.
	stopped *stw.Stop

	// Interrupts that were accepted, and functions of theirs that ran.
	accepted, ran atomic.Uint64

	domains, stops, raggeds, interrupts, suspends, combined *counter
}

func (worlds) join(r *rig) {
	w := &world{
		faults: &r.faults, reads: &r.reads, writes: &r.writes, gate: &r.gate,
		domains: r.counter("domains of a world"), stops: r.counter("stops"), raggeds: r.counter("ragged barriers"),
		interrupts: r.counter("interrupts"), suspends: r.counter("suspensions"), combined: r.counter("suspensions across stops"),
	}
	w.shelf = r.shelf("world")
	w.dom = w.shelf.dom
	var err error
	if w.w, err = stw.NewWorld(stw.Options{Max: maxDomains, SMR: []*smr.Domain{w.dom}}); err != nil {
		panic(err)
	}
	r.after(func() {
		r.faults.within("Close of the world", w.w.Close)
		if accepted, ran := w.accepted.Load(), w.ran.Load(); accepted != ran {
			r.faults.add(faultInterrupt, "%d interrupts were accepted, %d ran", accepted, ran)
		}
	})
	for i := range min(max(4, 2*r.procs), maxDomains) {
		name := fmt.Sprintf("domain of the world %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				w.live(ctx, rng, p)
				w.domains.Add(1)
			}
		})
	}
	for i := range 2 {
		name := fmt.Sprintf("writer beside the world %d", i)
		wr := &writer{
			shelf: w.shelf, rng: r.rand(name), tally: &r.writes, gate: &r.gate,
			// Those that never read.
			ways: []writerKind{writeCallFunc, writeSynchronize, writePoll, writeDeferred, writeGiveUp, writeBarrier},
		}
		r.start(name, wr.run)
	}
	for i := range 2 {
		name := fmt.Sprintf("outside the world %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				w.outside(rng)
				drawStay(rng, true).pass(rng)
				p.beat()
			}
		})
	}
}

// live is a domain from start to end, on its own goroutine or, for a while, on the caller's.
func (w *world) live(ctx context.Context, rng *rand.Rand, p *pulse) {
	in := &inhabitant{world: w, reader: reader{shelf: w.shelf, rng: fork(rng), kind: readWorld}, pulse: p}
	in.rounds = 1 + rng.IntN(4)
	if rng.IntN(2) == 0 {
		in.rounds += rng.IntN(500)
	}
	if rng.IntN(4) == 0 {
		d, err := w.w.Register()
		if err != nil {
			w.faults.add(faultStop, "Register: %v", err)
			return
		}
		in.live(ctx, d)
		d.Deregister()
		return
	}
	d, err := w.w.Spawn(func(d *stw.Domain) {
		defer w.faults.catch("a domain of the world")
		in.live(ctx, d)
	})
	if err != nil {
		w.faults.add(faultStop, "Spawn: %v", err)
		return
	}
	if err := d.Join(context.Background()); err != nil {
		w.faults.add(faultWait, "Join: %v", err)
	}
}

// An inhabitant is a domain's user.
type inhabitant struct {
	world *world
	reader
	pulse  *pulse
	rounds int
	d      *stw.Domain
}

func (in *inhabitant) live(ctx context.Context, d *stw.Domain) {
	in.d = d
	for range in.rounds {
		if ctx.Err() != nil {
			break
		}
		in.round()
		in.pulse.beat()
	}
	in.world.reads.take(in.kind, &in.count)
}

// round reads, up to a safe point of one kind or another.
func (in *inhabitant) round() {
	w, d := in.world, in.d
	busy := &w.busy[d.Slot()].bool
	*busy = true
	for range in.some() {
		s := d.Section()
		in.view.load(in.shelf, s, in.rng, in.some())
		drawStay(in.rng, false).pass(in.rng)
		in.view.verify(s)
	}
	*busy = false
	// The section ends at the safe point, so it may be active after that.
	in.view.settle(smr.Section{}, in.kind, &in.count, in.shelf.faults)

	switch n := in.rng.IntN(256); {
	case n < 160:
		d.Poll()
	case n < 200:
		d.Relax()
	case n < 224:
		d.Blocking(func() { drawStay(in.rng, in.rng.IntN(4) == 0).pass(in.rng) })
	case n < 232:
		w.interrupt(in.rng)
	case n < 240:
		w.stop(d, in.rng)
	case n < 248:
		w.ragged(in.rng, d.ForEachContext)
	case n < 249:
		w.alone(d, in.rng)
	case n < 253:
		if err := d.Synchronize(context.Background()); err != nil {
			w.faults.add(faultWait, "Synchronize of a domain of the world: %v", err)
		}
	default: // what it gave to Call outlives it
		w.shelf.calls.Add(1)
		smr.Call(w.dom, w.shelf, drawSize(in.rng), func(p *shelf) { p.callbacks.Add(1) })
	}
	if in.rng.IntN(8) == 0 {
		runtime.Gosched()
	}
}

package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/smr"
)

// Duels.
//
// A crowd of readers makes grace periods long, as some reader is always suspended in its section.
// An error that takes two processors to do the wrong thing within the same hundred nanoseconds is
// then tried a thousand times a second. So now and then the crowd pauses, and a reader and a writer
// duel on a domain of their own. Then there are up to a hundred thousand grace periods a second,
// and each counts: the writer poisons at once, and each side's stores are still in its store buffer
// when it goes on to load (see drag).
//
// In half of the bouts each side has its own processor. In the others there are more duels than
// CPUs, and the collector runs all the time, so that readers are suspended at any point, also
// between the two halves of an entry.
type duels struct {
	calls bool // only callDuels
}

// duelling is the state of duels in a run.
type duelling struct {
	rng    *rand.Rand
	faults *faults
	gate   *gate
	reads  *readTally
	writes *writeTally
	procs  int // change GOMAXPROCS, up to this
	calls  bool
}

func (c duels) join(r *rig) {
	d := &duelling{r.rand("duels"), &r.faults, &r.gate, &r.reads, &r.writes, 2 * r.procs, c.calls}
	r.start("duels", d.run)
}

// A gate lets the crowd pass while it is open. It starts open.
type gate struct {
	shut atomic.Pointer[chan struct{}] // nil while open; the channel is closed to open it
}

func (g *gate) pass() {
	if opening := g.shut.Load(); opening != nil {
		<-*opening
	}
}

func (g *gate) close() {
	opening := make(chan struct{})
	g.shut.Store(&opening)
}

func (g *gate) open() { close(*g.shut.Swap(nil)) }

func (d *duelling) run(ctx context.Context, p *pulse) {
	for ctx.Err() == nil {
		pause(ctx, below(d.rng, 100*time.Millisecond))
		d.gate.close()
		d.bout(ctx)
		d.gate.open()
		p.beat()
	}
}

// bout runs as many duels at once as the processors allow, for some tens of milliseconds.
func (d *duelling) bout(ctx context.Context) {
	suspending := d.rng.IntN(2) == 0
	procs := d.procs
	if !suspending {
		procs /= 2
	}
	runtime.GOMAXPROCS(max(procs, 2))
	ctx, cancel := context.WithTimeout(ctx, 20*time.Millisecond+below(d.rng, 80*time.Millisecond))
	defer cancel()
	var wg sync.WaitGroup
	for range max(1, runtime.GOMAXPROCS(0)/2) {
		rng := fork(d.rng)
		fight := d.duel
		if d.calls || rng.IntN(4) == 0 {
			fight = d.callDuel
		}
		wg.Go(func() {
			defer d.faults.catch("a duel")
			fight(ctx, rng, suspending)
		})
	}
	if suspending {
		wg.Go(func() {
			for ctx.Err() == nil {
				runtime.GC()
			}
		})
	}
	wg.Wait()
}

const duelElements = 64

func (d *duelling) duel(ctx context.Context, rng *rand.Rand, suspending bool) {
	dom := newDomain(drawOptions(rng), d.faults)
	p := newShelf(dom, d.faults, duelElements, byNothing, byOwner)
	drag := new(drag)
	r := &reader{shelf: p, rng: rng, kind: readDuel, drag: drag}
	w := &duelist{writer{shelf: p, rng: fork(rng), tally: d.writes}, drag}
	// Short stays allow many entries. But a reader suspended in its entry must stay longer than a
	// grace period that does not wait for it takes.
	spins := 3200
	if !suspending {
		spins = 100 << rng.IntN(6)
	}
	bystander := suspending && rng.IntN(2) == 0
	var wg sync.WaitGroup
	wg.Go(func() {
		defer d.faults.catch("a duel's reader")
		for ctx.Err() == nil {
			r.dueling(spins)
			d.reads.take(r.kind, &r.count)
		}
	})
	wg.Go(func() {
		defer d.faults.catch("a duel's writer")
		for ctx.Err() == nil {
			w.round()
		}
		w.finish()
	})
	if bystander {
		wg.Go(func() {
			defer d.faults.catch("a duel's bystander")
			bystand(ctx, dom)
		})
	}
	wg.Wait()
	d.faults.within("Close of a duel's domain", dom.Close)
	p.checkIdle()
}

// bystand scans all the time, for no reason. It has registered many readers, so that a scan takes
// long and the others do a lot in the middle of one.
func bystand(ctx context.Context, dom *smr.Domain) {
	for range 200 {
		defer dom.NewReader().Close()
	}
	for ctx.Err() == nil {
		dom.Poll(dom.Advance())
	}
}

// dueling is a stint in a duel: sections of a kind that is entered with a single store, and with as
// little as possible between the store and the first load.
func (r *reader) dueling(spins int) {
	dom := r.shelf.dom
	enter := dom.Enter
	switch r.rng.IntN(3) {
	case 0:
		enter = dom.Pin
	case 1:
		rd := dom.NewReader()
		defer rd.Close()
		enter = rd.Enter
	}
	// A commit at the last moment, for a writer that has yet to publish.
	advancing := r.rng.IntN(4) == 0
	for range maxStint {
		st := stay{spins: r.rng.IntN(spins)}
		r.drag.pull(1)
		if advancing {
			dom.Advance()
		}
		r.visit(enter(), st)
	}
}

// A duelist is the writer of a duel.
type duelist struct {
	writer
	drag *drag
}

// round is some updates of one kind.
func (w *duelist) round() {
	deferring := w.rng.IntN(4) == 0
	for range duelElements {
		w.update(deferring)
	}
}

// update replaces an element and waits for its grace period, with nothing between the two: the rest
// of the unlinking is done afterwards.
func (w *duelist) update(deferring bool) {
	dom := w.shelf.dom
	fresh := w.shelf.take(0)
	w.drag.pull(2)
	old := w.shelf.cells[w.rng.IntN(len(w.shelf.cells))].replace(fresh)
	if deferring { // and, for a while, leave it to the reader to commit
		goal := dom.DeferredAdvance()
		for tries := 0; tries < 100 && !dom.Poll(goal); tries++ {
		}
		dom.Commit(goal)
		w.await(goal)
	} else {
		w.await(dom.Advance())
	}
	if old != nil {
		old.age.Store(unlinked)
		w.aging = append(w.aging, old)
	}
	w.tally.updates.Add(1)
	w.graceOver(writeDuel)
}

// A drag is lines that both sides of a duel store to. On x86 stores leave a store buffer in program
// order, so those behind stores to lines that the other processor holds wait for the lines, while
// loads go ahead. That lengthens the time in which a missing fence matters.
type drag [32]struct {
	relacq.Uint64
	_ [120]byte
}

func (d *drag) pull(v uint64) {
	for i := range d {
		d[i].Store(v)
	}
}

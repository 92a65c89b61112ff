package main

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// settings are the parameters of a run from outside.
type settings struct {
	seed     uint64
	duration time.Duration

	// hangLimit is how long a goroutine may make no progress.
	hangLimit time.Duration

	failFast bool               // end at the first error
	began    func(drawn string) // called before anything runs, with the options drawn; nil: not
	progress func(progress)     // called each second; nil: not
	fatal    func(*rig, string) // called when the program can't go on; does not return
}

// A part is a piece of a scenario. join makes what it needs, and adds its goroutines and checks to
// the rig.
type part interface{ join(*rig) }

// A rig is one run of a scenario: what its parts share.
type rig struct {
	settings
	name  string // of the scenario
	procs int    // GOMAXPROCS at the start

	faults  faults
	reads   readTally
	writes  writeTally
	gate    gate
	shelves []*shelf

	// What the parts add while they join.
	watch    watch
	tasks    []func(context.Context)
	checks   []func()
	counters []*counter
	drawn    []string // the options of the domains, for the reader of a report
}

// A counter counts an activity for the report. Any goroutine adds to it; the report reads it.
type counter struct {
	atomic.Uint64
	name   string
	rarely bool // may well stay 0
}

// raise makes it at least n.
func (c *counter) raise(n uint64) {
	for old := c.Load(); old < n && !c.CompareAndSwap(old, n); old = c.Load() {
	}
}

// start adds a goroutine. fn returns soon after ctx ends, and has p beat all the time.
func (r *rig) start(name string, fn func(ctx context.Context, p *pulse)) {
	p := r.watch.pulse(name)
	r.tasks = append(r.tasks, func(ctx context.Context) {
		defer p.end()
		defer r.faults.catch(name)
		// Memory may go back to the system while a reader holds it.
		debug.SetPanicOnFault(true)
		fn(ctx, p)
	})
}

// after adds a step for when all goroutines have ended. The last one added runs first.
func (r *rig) after(fn func()) { r.checks = append(r.checks, fn) }

func (r *rig) counter(name string) *counter {
	for _, c := range r.counters {
		if c.name == name {
			return c
		}
	}
	c := &counter{name: name}
	r.counters = append(r.counters, c)
	return c
}

// rare returns a counter of an activity that may never happen.
func (r *rig) rare(name string) *counter {
	c := r.counter(name)
	c.rarely = true
	return c
}

// rand returns the random source of a goroutine, or of a domain's options, by its name and the
// scenario's. The seed decides what each of them tries, whatever scenarios run before; and two
// scenarios with one seed try different options.
func (r *rig) rand(name string) *rand.Rand {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s: %s", r.name, name)
	return rand.New(rand.NewPCG(r.seed, h.Sum64()))
}

// fork returns a random source for a goroutine that the owner of rng starts.
func fork(rng *rand.Rand) *rand.Rand { return rand.New(rand.NewPCG(rng.Uint64(), rng.Uint64())) }

func drawOptions(rng *rand.Rand) smr.Options {
	pick := func(values ...int) int { return values[rng.IntN(len(values))] }
	return smr.Options{
		// Stall reports scan, too: with them a lost wake-up would only come late.
		StallAfter: time.Duration(pick(-1, 10)) * time.Second,

		MaxDelay:   time.Duration(pick(1, 5, 20, 100)) * time.Millisecond,
		ChunkCalls: pick(1, 3, 32, 256),
		Workers:    pick(1, 2, 8),
	}
}

// newDomain makes a domain whose panics and stalls are errors.
func newDomain(o smr.Options, f *faults) *smr.Domain {
	o.OnPanic = func(p *smr.CallbackPanic) { f.stop(p.Error()) }
	if o.OnStall == nil {
		o.OnStall = func(st smr.Stall) { f.add(faultStall, "no reader stalled, but: %v", st) }
	}
	dom, err := smr.New(o)
	if err != nil {
		panic(err) // the options are this program's own
	}
	return dom
}

// within calls a Close. Once every reader has left, it takes no longer than the longest chains of
// callbacks: ten check-ins, a second in all. It is given half the time that a goroutine may make no
// progress.
func (f *faults) within(what string, end func(context.Context) error) {
	ctx, cancel := context.WithTimeout(context.Background(), f.patience)
	defer cancel()
	if err := end(ctx); err != nil {
		f.add(faultClose, "%s: %v", what, err)
		if errors.Is(err, context.DeadlineExceeded) {
			f.add(faultClose, "%s", allStacks())
		}
	}
}

// domain makes a domain for a part, with drawn options that change may change. At the end the
// domain is closed, and nothing may be left in it.
func (r *rig) domain(name string, change func(*smr.Options)) *smr.Domain {
	o := drawOptions(r.rand("options of " + name))
	if change != nil {
		change(&o)
	}
	o.Name = name
	r.drawn = append(r.drawn, fmt.Sprintf("domain %s: MaxDelay %v, ChunkCalls %d, Workers %d, MaxPending %d",
		name, o.MaxDelay, o.ChunkCalls, o.Workers, o.MaxPending))
	dom := newDomain(o, &r.faults)
	r.after(func() {
		r.faults.within("Close of domain "+name, dom.Close)
		if st := dom.Stats(); st.PendingCalls != 0 || st.PendingBytes != 0 || st.Sections != 0 {
			r.faults.add(faultLeak, "the closed domain %s has %d calls (%d bytes) pending and %d sections open",
				name, st.PendingCalls, st.PendingBytes, st.Sections)
		}
	})
	return dom
}

// The domain of a shelf has few cells, so that a reader often holds what a writer unlinks, and so
// many elements that writers do not run out within a grace period, unless a reader stalls.
const (
	numElements = 2048
	numCells    = 8
)

// shelf returns the shelf of that name, and makes it, with its own domain, for the first part that
// asks.
func (r *rig) shelf(name string) *shelf {
	for _, p := range r.shelves {
		if p.dom.Name() == name {
			return p
		}
	}
	var p *shelf
	r.after(func() { p.checkIdle() }) // when the domain is closed
	dom := r.domain(name, func(o *smr.Options) {
		// Reached now and then by callbacks under way, so that Throttle waits.
		o.MaxPending = numElements * elementSize / 2
	})
	cells := make([]serialization, numCells)
	for i := range cells {
		cells[i] = [...]serialization{byNothing, byLock}[i%2]
	}
	p = newShelf(dom, &r.faults, numElements, cells...)
	r.shelves = append(r.shelves, p)
	return p
}

// run tortures until the duration is over or ctx ends.
func (sc *scenario) run(ctx context.Context, set settings) *report {
	r := &rig{settings: set, name: sc.name, procs: runtime.GOMAXPROCS(0)}
	r.watch.limit = set.hangLimit
	ctx, stop := context.WithTimeout(ctx, set.duration)
	defer stop()
	r.faults.patience = set.hangLimit / 2
	r.faults.fatal = func(text string) { set.fatal(r, text) }
	if set.failFast {
		r.faults.found = stop
	}
	races := raceErrors()
	for _, p := range sc.parts {
		p.join(r)
	}
	if set.began != nil {
		set.began(strings.Join(r.drawn, "\n"))
	}

	// The watch continues until the last check is done, to find a goroutine or a check that can't
	// end.
	closing := r.watch.pulse("the end")
	closing.end() // until then
	start := time.Now()
	watching, unwatch := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		r.watch.run(watching, func(stuck string) {
			r.faults.stop(fmt.Sprintf("%s made no progress for %v", stuck, set.hangLimit))
		}, func() {
			if set.progress != nil {
				set.progress(progress{time.Since(start), r.reads.sum().reads(), r.writes.updates.Load(), r.faults.total()})
			}
		})
	}()
	var tasks sync.WaitGroup
	for _, task := range r.tasks {
		tasks.Go(func() { task(ctx) })
	}
	tasks.Wait()
	elapsed := time.Since(start)
	if n := runtime.GOMAXPROCS(0); n != r.procs {
		runtime.GOMAXPROCS(r.procs)
	}
	closing.ended.Store(false)
	for len(r.checks) > 0 {
		closing.beat()
		last := len(r.checks) - 1
		r.checks[last]()
		r.checks = r.checks[:last]
	}
	unwatch()
	<-watched
	if n := raceErrors() - races; n > 0 {
		r.faults.add(faultRace, "the race detector reported %d", n)
	}
	return newReport(r, elapsed)
}

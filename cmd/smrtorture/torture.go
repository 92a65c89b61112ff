package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/smr"
)

// config says what a run does. Fields that are not flags are for tests.
type config struct {
	duration time.Duration
	readers  int
	writers  int
	seed     uint64
	toggle   bool
	procs    int // the largest GOMAXPROCS of toggle
	duels    bool
	stall    time.Duration

	// stallKind is the kind of the reader that stalls, drawn if nil. It can't be
	// clock.Pinned: that would stop the collector, and the whole program with it.
	stallKind *clock.Kind

	progress func(progress)   // called each second; nil: not
	hung     func(who string) // called when goroutines make no progress; does not return
}

// defaultConfig is for 2 to 16 CPUs: more readers than processors, so that some
// are suspended in their sections, and enough writers for a grace period to be
// under way at any time.
func defaultConfig() config {
	cpus := runtime.GOMAXPROCS(0)
	return config{
		duration: 10 * time.Second,
		readers:  max(6, 2*cpus),
		writers:  max(3, cpus),
		toggle:   true,
		duels:    true,
		procs:    2 * cpus,
		hung:     func(who string) { panic("smrtorture: no progress: " + who) },
	}
}

func (cfg *config) check() error {
	switch {
	case cfg.duration <= 0:
		return fmt.Errorf("-duration %v is not positive", cfg.duration)
	case cfg.readers < 1:
		return fmt.Errorf("-readers %d: at least one is needed", cfg.readers)
	case cfg.writers < 1:
		return fmt.Errorf("-writers %d: at least one is needed", cfg.writers)
	case cfg.procs < 1:
		return fmt.Errorf("-procs %d is not positive", cfg.procs)
	case cfg.stall < 0:
		return fmt.Errorf("-stall %v is negative", cfg.stall)
	case cfg.stall >= cfg.duration:
		return fmt.Errorf("-stall %v does not end within -duration %v", cfg.stall, cfg.duration)
	}
	return nil
}

// hangLimit is how long a goroutine may make no progress. A reader that stalls
// holds up all writers, and is not a hang.
func (cfg *config) hangLimit() time.Duration { return 30*time.Second + cfg.stall }

// The domain under torture has few cells, so that a reader often holds what a
// writer unlinks, and enough elements for writers not to run out within a grace
// period unless somebody stalls.
const numElements = 2048

// closeTimeout is how long Close may take when every reader has left. The
// longest chains of callbacks take ten check-ins, all together a second.
const closeTimeout = 30 * time.Second

// Each goroutine has a random source of its own: the seed, and one of these
// streams. Readers, and after them writers, have the numbers from 0.
const (
	streamOptions = 1<<32 + iota
	streamToggle
	streamChurn
	streamStall
	streamDuels
)

func (cfg *config) rand(stream uint64) *rand.Rand { return rand.New(rand.NewPCG(cfg.seed, stream)) }

// options draws the options of the domain under torture.
func (cfg *config) options() smr.Options {
	o := drawOptions(cfg.rand(streamOptions))
	o.Name = "torture"
	// Reached now and then by callbacks under way, so that Throttle waits.
	o.MaxPending = numElements * elementSize / 2
	if cfg.stall > 0 {
		o.StallAfter = max(cfg.stall/4, time.Millisecond)
	}
	return o
}

// below draws a duration less than d.
func below(rng *rand.Rand, d time.Duration) time.Duration { return time.Duration(rng.Int64N(int64(d))) }

func drawOptions(rng *rand.Rand) smr.Options {
	pick := func(values ...int) int { return values[rng.IntN(len(values))] }
	return smr.Options{
		MaxDelay:   time.Duration(pick(1, 5, 20, 100)) * time.Millisecond,
		ChunkCalls: pick(1, 3, 32, 256),
		Workers:    pick(1, 2, 8),
	}
}

func describeOptions(o smr.Options) string {
	s := fmt.Sprintf("MaxDelay %v, ChunkCalls %d, Workers %d, MaxPending %d",
		o.MaxDelay, o.ChunkCalls, o.Workers, o.MaxPending)
	if o.StallAfter > 0 {
		s += fmt.Sprintf(", StallAfter %v", o.StallAfter)
	}
	return s
}

// run tortures until the duration is over or ctx ends. Errors of the library are
// in the report; the error returned is one of the configuration.
func run(ctx context.Context, cfg config) (*report, error) {
	if err := cfg.check(); err != nil {
		return nil, err
	}
	var (
		faults faults
		reads  readTally
		writes writeTally
		gate   gate
		stalls = newStallWatch(&cfg)
	)
	opts := cfg.options()
	opts.OnStall = stalls.onStall
	dom, err := smr.New(opts)
	if err != nil {
		return nil, err
	}
	pool := newPool(dom, &faults, numElements,
		byNothing, byLock, byNothing, byLock, byNothing, byLock, byNothing, byLock)
	w := &watch{limit: cfg.hangLimit()}

	if cfg.toggle {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	}
	start := time.Now()
	ctx, stop := context.WithTimeout(ctx, cfg.duration)
	defer stop()
	var users, others sync.WaitGroup
	for i := range cfg.readers {
		r := &reader{pool: pool, rng: cfg.rand(uint64(i)), readers: cfg.readers, gate: &gate}
		p := w.pulse(fmt.Sprintf("reader %d", i))
		users.Go(func() { defer p.end(); r.run(ctx, p, &reads) })
	}
	for i := range cfg.writers {
		wr := &writer{pool: pool, rng: cfg.rand(uint64(cfg.readers + i)), tally: &writes, gate: &gate}
		p := w.pulse(fmt.Sprintf("writer %d", i))
		users.Go(func() { defer p.end(); wr.run(ctx, p) })
	}
	if cfg.stall > 0 {
		users.Go(func() { stalls.run(pool, cfg.rand(streamStall)) })
	}
	toggles, churns := w.pulse("GOMAXPROCS"), w.pulse("short-lived domains")
	if cfg.toggle {
		others.Go(func() { defer toggles.end(); toggleProcs(ctx, cfg.procs, cfg.rand(streamToggle), &gate, toggles) })
	} else {
		toggles.end()
	}
	c := &churn{rng: cfg.rand(streamChurn), faults: &faults, gate: &gate}
	others.Go(func() { defer churns.end(); c.run(ctx, churns) })

	if cfg.duels {
		d := &duels{rng: cfg.rand(streamDuels), faults: &faults, gate: &gate, reads: &reads, writes: &writes}
		if cfg.toggle {
			d.procs = cfg.procs
		}
		p := w.pulse("duels")
		others.Go(func() { defer p.end(); d.run(ctx, p) })
	}

	// The watch goes on until the last goroutine has ended, so that one that
	// can't is found too.
	watching, unwatch := context.WithCancel(context.Background())
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		w.run(watching, &cfg, func() progress {
			return progress{time.Since(start), reads.sum().reads(), writes.updates.Load(), faults.total()}
		})
	}()
	users.Wait()
	others.Wait()
	unwatch()
	<-watched
	elapsed := time.Since(start)

	closing, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := dom.Close(closing); err != nil {
		faults.add(faultClose, "%v", err)
		if errors.Is(err, context.DeadlineExceeded) {
			faults.add(faultClose, "%s", allStacks())
		}
	}
	pool.checkIdle()
	stalls.check(&faults)
	if n := raceErrors(); n > 0 {
		faults.add(faultRace, "the race detector reported %d", n)
	}
	return newReport(elapsed, pool, &reads, &writes, stalls, &faults,
		toggles.count(), churns.count()), nil
}

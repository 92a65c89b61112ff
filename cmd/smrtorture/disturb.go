package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// pause waits for d, or less if ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// toggleProcs changes GOMAXPROCS until ctx ends. It does not put it back. most
// should be more than there are CPUs: then the kernel suspends threads anywhere,
// also inside an entry.
func toggleProcs(ctx context.Context, most int, rng *rand.Rand, g *gate, p *pulse) {
	values := [...]int{1, min(2, most), most}
	for i := 0; ctx.Err() == nil; i++ {
		pause(ctx, 20*time.Millisecond+below(rng, 200*time.Millisecond))
		g.pass() // duels have their own
		runtime.GOMAXPROCS(values[i%len(values)])
		p.beat()
	}
}

// A churn makes domains, uses them, and closes them under their users.
type churn struct {
	rng     *rand.Rand
	faults  *faults
	gate    *gate
	foreign smr.Seq // a goal of the domain before
}

func (c *churn) run(ctx context.Context, p *pulse) {
	for ctx.Err() == nil {
		c.gate.pass()
		o := drawOptions(c.rng)
		o.MaxPending = int64(1+c.rng.IntN(64)) * elementSize
		dom, err := smr.New(o)
		if err != nil {
			c.faults.add(faultDomain, "New: %v", err)
			return
		}
		c.checkGoals(dom)
		f := &flood{dom: dom, limit: o.MaxPending, faults: c.faults}
		f.run(c.rng)
		c.closeBusy(dom)
		if calls, callbacks := f.calls.Load(), f.callbacks.Load(); calls != callbacks {
			c.faults.add(faultDomain, "%d calls, but %d callbacks after Close", calls, callbacks)
		}
		p.beat()
		pause(ctx, below(c.rng, 5*time.Millisecond))
	}
}

// checkGoals checks what is reached and what is not, on a domain that nobody
// else uses yet.
func (c *churn) checkGoals(dom *smr.Domain) {
	first := dom.Advance()
	second := dom.Advance()
	step := second - first
	for _, g := range [...]struct {
		name string
		goal smr.Seq
	}{
		{"the zero goal", 0},
		{"a goal of another domain", c.foreign},
		{"a goal from the future", second + 2*step},
	} {
		if dom.Poll(g.goal) {
			c.faults.add(faultGoal, "Poll said that %s is reached", g.name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := dom.Wait(ctx, g.goal)
		cancel()
		if !errors.Is(err, smr.ErrSeq) {
			c.faults.add(faultGoal, "Wait for %s returned %v", g.name, err)
		}
	}
	c.foreign = second

	deferred := dom.DeferredAdvance()
	if dom.Poll(deferred) {
		c.faults.add(faultGoal, "Poll said that a goal is reached that was not committed")
	}
	dom.Commit(deferred)
	for _, goal := range [...]smr.Seq{first, second, deferred} {
		if !dom.Poll(goal) {
			c.faults.add(faultGoal, "Poll said that a goal is not reached although there is no reader")
		}
	}
}

// closeBusy closes dom while a section is open.
func (c *churn) closeBusy(dom *smr.Domain) {
	var s smr.Section
	var wg sync.WaitGroup
	// Not in this goroutine, which Close would take for waiting for itself.
	wg.Go(func() { s = dom.Enter() })
	wg.Wait()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := dom.Close(ended); !errors.Is(err, context.Canceled) {
		c.faults.add(faultDomain, "Close with a section open returned %v", err)
	}
	if err := dom.Synchronize(context.Background()); !errors.Is(err, smr.ErrClosed) {
		c.faults.add(faultDomain, "Synchronize on a closed domain returned %v", err)
	}
	s.Leave()
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := dom.Close(ctx); err != nil {
		c.faults.add(faultDomain, "%v", err)
	}
	if st := dom.Stats(); st.PendingCalls != 0 || st.PendingBytes != 0 || st.Sections != 0 {
		c.faults.add(faultDomain, "after Close, %d calls (%d bytes) pending and %d sections open",
			st.PendingCalls, st.PendingBytes, st.Sections)
	}
}

// A flood is writers that call as fast as Throttle lets them.
type flood struct {
	dom    *smr.Domain
	limit  int64 // of the domain
	faults *faults

	calls, callbacks atomic.Uint64

	// pending is how many bytes were given to Call and wait for their callback.
	// It grows before the call and shrinks in the callback.
	pending atomic.Int64
}

const floodWriters = 3

func (f *flood) run(rng *rand.Rand) {
	// What Throttle promises: the limit, and what the writers in flight add.
	bound := f.limit + floodWriters*elementSize
	var wg sync.WaitGroup
	for range floodWriters {
		calls := rng.IntN(300)
		wg.Go(func() {
			for range calls {
				if err := f.dom.Throttle(context.Background()); err != nil {
					f.faults.add(faultDomain, "Throttle: %v", err)
					return
				}
				if n := f.pending.Add(elementSize); n > bound {
					f.faults.add(faultThrottle, "%d bytes are pending, with a limit of %d and %d writers of %d",
						n, f.limit, floodWriters, elementSize)
				}
				f.calls.Add(1)
				smr.Call(f.dom, f, elementSize, (*flood).callback)
			}
		})
	}
	wg.Wait()
}

func (f *flood) callback() {
	f.pending.Add(-elementSize)
	f.callbacks.Add(1)
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/smr"
)

// A flood is writers that call as fast as Throttle lets them.
type flood struct {
	fate.Shared // by many calls at a time

	dom    *smr.Domain
	limit  int64 // of the domain
	faults *faults

	calls, callbacks atomic.Uint64

	// pending is how many bytes are with Call and wait for their callbacks. It grows before the
	// call and shrinks in the callback.
	pending atomic.Int64
}

const floodWriters = 3

// run has each writer make fewer than most calls.
func (f *flood) run(rng *rand.Rand, most int) {
	var wg sync.WaitGroup
	for range floodWriters {
		calls := rng.IntN(most)
		wg.Go(func() {
			defer f.faults.catch("a flood's writer")
			for range calls {
				if err := f.dom.Throttle(context.Background()); err != nil {
					f.faults.add(faultWait, "Throttle: %v", err)
					return
				}
				f.called()
				smr.Call(f.dom, f, elementSize, (*flood).callback)
			}
		})
	}
	wg.Wait()
}

// called counts a call about to be made, and checks the bound that Throttle promises: the limit,
// plus one call of each writer in flight.
func (f *flood) called() {
	if n := f.pending.Add(elementSize); n > f.limit+floodWriters*elementSize {
		f.faults.add(faultThrottle, "%d bytes are pending, with a limit of %d and %d writers of %d",
			n, f.limit, floodWriters, elementSize)
	}
	f.calls.Add(1)
}

func (f *flood) callback() {
	f.pending.Add(-elementSize)
	f.callbacks.Add(1)
}

// checkIdle checks, after the domain was closed, that every call had its callback.
func (f *flood) checkIdle() {
	if calls, callbacks := f.calls.Load(), f.callbacks.Load(); calls != callbacks {
		f.faults.add(faultLeak, "%d calls, but %d callbacks after Close", calls, callbacks)
	}
}

// flooding is a constant flood on a domain with a tight bound, with some readers that come and go.
type flooding struct{}

func (flooding) join(r *rig) {
	f := &flood{faults: &r.faults, limit: 64 * elementSize}
	r.after(f.checkIdle)
	f.dom = r.domain("flood", func(o *smr.Options) { o.MaxPending = f.limit })
	calls, rng := r.counter("calls in floods"), r.rand("flood")
	r.start("flood", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			before := f.calls.Load()
			f.run(rng, 2000)
			calls.Add(f.calls.Load() - before)
			r.writes.updates.Add(f.calls.Load() - before)
			p.beat()
		}
	})
	for i := range 2 {
		name := fmt.Sprintf("reader in the flood %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				s := f.dom.Enter()
				drawStay(rng, rng.IntN(16) == 0).pass(rng)
				s.Leave()
				r.reads.take(readFlood, &readCount{sections: 1, others: 1})
				p.beat()
			}
		})
	}
}

// chains are callbacks that make the next calls, one or two each. A chain that breaks has lost a
// call: its pulse stops.
type chains struct{}

const numChains = 8

type chain struct {
	dom    *smr.Domain
	pulse  *pulse
	links  *counter
	ended  func() bool
	size   int
	length int           // plain: each callback is ordered after the one that called it
	over   chan struct{} // closed by the last callback
}

func (chains) join(r *rig) {
	dom := r.domain("chains", nil)
	links := r.counter("callbacks in chains")
	for i := range numChains {
		name := fmt.Sprintf("chain %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			c := &chain{dom: dom, pulse: p, links: links, size: drawSize(rng), over: make(chan struct{})}
			c.ended = func() bool { return ctx.Err() != nil }
			smr.Call(dom, c, c.size, (*chain).link)
			<-c.over
		})
	}
}

// link is a callback of the chain. Every other one makes two calls, one of which ends there.
func (c *chain) link() {
	c.length++
	c.links.Add(1)
	c.pulse.beat()
	if c.ended() {
		close(c.over)
		return
	}
	if c.length%2 == 0 {
		c.dom.CallFunc(c.size, func() { c.links.Add(1) })
	}
	smr.Call(c.dom, c, c.size, (*chain).link)
}

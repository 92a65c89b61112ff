package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
)

// spates are unthrottled floods: writers exceed the domain's bound while a reader stays in its
// section. Call must not wait for anything, the domain's pending count must equal the calls made
// that have not run, and nothing may be left after the flood.
type spates struct{}

type spate struct {
	dom    *smr.Domain
	rng    *rand.Rand
	faults *faults

	called, ran           atomic.Int64 // calls, before each, and callbacks
	calledBytes, ranBytes atomic.Int64
}

const (
	spateWriters = 3
	spateCalls   = 4096              // of a writer, at most
	spateSize    = 2 * elementSize   // of a call, at most
	spateBound   = 256 * elementSize // MaxPending, which most rounds exceed by far
)

func (spates) join(r *rig) {
	sp := &spate{rng: r.rand("spates"), faults: &r.faults}
	sp.dom = r.domain("spates", func(o *smr.Options) { o.MaxPending = spateBound })
	calls := r.counter("calls that nobody throttled")
	r.start("spates", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			before := sp.called.Load()
			sp.round()
			calls.Add(uint64(sp.called.Load() - before))
			r.writes.updates.Add(uint64(sp.called.Load() - before))
			p.beat()
		}
	})
}

// round is one flood, from its first call to the last callback.
func (sp *spate) round() {
	var s smr.Section
	elsewhere(func() { s = sp.dom.Enter() }) // a goroutine that waits must have no section
	var wg sync.WaitGroup
	for range spateWriters {
		rng := fork(sp.rng)
		wg.Go(func() {
			defer sp.faults.catch("a spate's writer")
			for range 1 + rng.IntN(spateCalls) {
				sp.call(rng.IntN(spateSize))
			}
		})
	}
	wg.Wait() // none waits for the reader
	sp.compare(sp.dom.Stats())
	s.Leave()
	if err := sp.dom.Barrier(context.Background()); err != nil {
		sp.faults.add(faultWait, "Barrier after a spate: %v", err)
	}
	sp.settled(sp.dom.Stats())
}

func (sp *spate) call(size int) {
	sp.called.Add(1)
	sp.calledBytes.Add(int64(size))
	sp.dom.CallFunc(size, func() {
		sp.ran.Add(1)
		sp.ranBytes.Add(int64(size))
	})
}

// compare checks the domain's figures after all calls, with the reader still in its section: every
// call of the round is pending.
func (sp *spate) compare(st smr.Stats) {
	calls, bytes := sp.called.Load()-sp.ran.Load(), sp.calledBytes.Load()-sp.ranBytes.Load()
	if st.PendingCalls != calls || st.PendingBytes != bytes {
		sp.faults.add(faultThrottle, "%d calls (%d bytes) are said to be pending, not %d (%d)",
			st.PendingCalls, st.PendingBytes, calls, bytes)
	}
}

// settled checks the domain's figures after a Barrier, when no goroutine calls.
func (sp *spate) settled(st smr.Stats) {
	if called, ran := sp.called.Load(), sp.ran.Load(); called != ran {
		sp.faults.add(faultBarrier, "%d callbacks had run after %d calls and Barrier", ran, called)
	}
	if st.PendingCalls != 0 || st.PendingBytes != 0 {
		sp.faults.add(faultThrottle, "%d calls (%d bytes) are said to be pending after Barrier",
			st.PendingCalls, st.PendingBytes)
	}
}

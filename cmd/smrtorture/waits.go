package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// waits has a reader and a few members that wait for it, on domains where nothing else happens: no
// calls, whose reclaimer would scan by itself, no stall reports, no other sections. There a lost
// kick, or a driver that does not end, leaves a waiter waiting for ever. In some domains a member
// also polls: a poller that finds a goal reached must wake its waiters.
type waits struct{}

// What happens in the domains, besides reading.
var waitKinds = [...]struct{ waiters, pollers int }{{1, 0}, {2, 0}, {2, 1}, {4, 0}}

func (waits) join(r *rig) {
	done := r.counter("waits")
	for i, kind := range waitKinds {
		dom := r.domain(fmt.Sprintf("waits %d", i), func(o *smr.Options) { o.StallAfter = -1 })
		g := &game{members: int64(kind.waiters + kind.pollers)}
		name := fmt.Sprintf("reader %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				g.round(func(begin func()) { readBriefly(dom, rng, begin) })
				r.reads.take(readWaited, &readCount{sections: 1, others: 1})
				p.beat()
			}
			g.over.Store(true)
		})
		for n := range kind.waiters {
			name := fmt.Sprintf("waiter %d of reader %d", n, i)
			rng := r.rand(name)
			r.start(name, func(_ context.Context, p *pulse) {
				g.play(p, func() {
					waitBriefly(dom, rng, &r.faults)
					done.Add(1)
					r.writes.updates.Add(1)
				})
			})
		}
		for range kind.pollers {
			name := fmt.Sprintf("poller beside reader %d", i)
			rng := r.rand(name)
			r.start(name, func(_ context.Context, p *pulse) {
				g.play(p, func() {
					goal := dom.Advance()
					for range rng.IntN(50) {
						dom.Poll(goal)
					}
				})
			})
		}
	}
}

// A game goes in rounds: a section, and all that happens beside it. The next round begins only when
// all members are through, so that nothing later wakes one that was forgotten.
type game struct {
	members int64

	turn atomic.Uint64 // the number of the round; written by the reader
	left atomic.Int64  // members that are not through; written by all
	over atomic.Bool   // written by the reader
}

// round is the reader's. section calls begin inside.
func (g *game) round(section func(begin func())) {
	g.left.Store(g.members)
	section(func() { g.turn.Add(1) })
	for g.left.Load() > 0 {
		runtime.Gosched()
	}
}

// play is a member's part: it acts once in each round.
func (g *game) play(p *pulse, do func()) {
	for turn := uint64(0); !g.over.Load(); {
		if g.turn.Load() == turn {
			p.beat()
			runtime.Gosched()
			continue
		}
		turn++
		do()
		g.left.Add(-1)
	}
}

// readBriefly is in a section for about as long as a waiter spins.
func readBriefly(dom *smr.Domain, rng *rand.Rand, begin func()) {
	st := stay{spins: rng.IntN(1 << rng.IntN(12)), yields: max(0, rng.IntN(12)-6)}
	var s smr.Section
	switch rng.IntN(4) {
	case 0:
		s = dom.Pin()
		st.yields = 0
	case 1:
		rd := dom.NewReader()
		defer rd.Close()
		s = rd.Enter()
	default:
		s = dom.Enter()
	}
	begin()
	st.pass(rng)
	s.Leave()
}

// waitBriefly waits for a grace period, mostly until it is over.
func waitBriefly(dom *smr.Domain, rng *rand.Rand, f *faults) {
	if rng.IntN(4) != 0 {
		if err := dom.Synchronize(context.Background()); err != nil {
			f.add(faultWait, "Synchronize: %v", err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), below(rng, 20*time.Microsecond))
	defer cancel()
	goal := dom.Advance()
	err := dom.Wait(ctx, goal)
	if errors.Is(err, context.DeadlineExceeded) && rng.IntN(2) == 0 {
		err = dom.Wait(context.Background(), goal)
	}
	if err != nil && !errors.Is(err, context.DeadlineExceeded) {
		f.add(faultWait, "Wait: %v", err)
	}
}

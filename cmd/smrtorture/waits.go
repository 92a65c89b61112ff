package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// waits has few readers and few waiters on domains where nothing else happens: no
// calls, whose reclaimer would look by itself, no stall reports, no other advances.
// There a wake-up that is lost, or a goal whose leader gave up, leaves somebody waiting
// for good. On every other domain somebody polls, too: who finds a goal reached must
// wake those who wait for it.
type waits struct{}

const waitDomains = 4

func (waits) join(r *rig) {
	done := r.counter("waits")
	for i := range waitDomains {
		dom := r.domain(fmt.Sprintf("waits %d", i), func(o *smr.Options) { o.StallAfter = -1 })
		start := func(who string, step func(rng *rand.Rand)) {
			name := fmt.Sprintf("%s %d", who, i)
			rng := r.rand(name)
			r.start(name, func(ctx context.Context, p *pulse) {
				for ctx.Err() == nil {
					r.gate.pass()
					step(rng)
					p.beat()
				}
			})
		}
		reading := func(rng *rand.Rand) {
			readBriefly(dom, rng)
			r.reads.take(readWaited, &readCount{sections: 1, others: 1})
		}
		waiting := func(rng *rand.Rand) {
			waitBriefly(dom, rng, &r.faults)
			done.Add(1)
			r.writes.updates.Add(1)
		}
		start("reader", reading)
		start("waiter", waiting)
		if i >= waitDomains/2 {
			start("another reader", reading)
			start("another waiter", waiting)
			start("one waiter more", waiting)
		}
		if i%2 == 1 {
			start("poller", func(rng *rand.Rand) {
				goal := dom.Advance()
				for range rng.IntN(20) {
					dom.Poll(goal)
				}
				drawStay(rng, true).pass(rng)
			})
		}
	}
}

// readBriefly is in a section for about as long as a waiter spins.
func readBriefly(dom *smr.Domain, rng *rand.Rand) {
	st := stay{spins: rng.IntN(4000), yields: rng.IntN(10)}
	switch rng.IntN(4) {
	case 0:
		s := dom.Pin()
		stay{spins: st.spins}.pass(rng)
		s.Leave()
	case 1:
		rd := dom.NewReader()
		defer rd.Close()
		s := rd.Enter()
		st.pass(rng)
		s.Leave()
	default:
		s := dom.Enter()
		st.pass(rng)
		s.Leave()
	}
}

// waitBriefly waits for a grace period, mostly until it is over.
func waitBriefly(dom *smr.Domain, rng *rand.Rand, f *faults) {
	if rng.IntN(4) != 0 {
		if err := dom.Synchronize(context.Background()); err != nil {
			f.add(faultWait, "Synchronize: %v", err)
		}
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), below(rng, 50*time.Microsecond))
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

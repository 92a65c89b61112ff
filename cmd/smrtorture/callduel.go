package main

import (
	"context"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A callDuel does for the hand-over of deferred calls what a duel does for grace periods: one side
// calls, and the other takes the calls away as fast as they come.
type callDuel struct {
	dom    *smr.Domain
	faults *faults
	tally  *writeTally
	rng    *rand.Rand
	drag   drag
}

func (d *duelling) callDuel(ctx context.Context, rng *rand.Rand, _ bool) {
	dom := newDomain(drawOptions(rng), d.faults)
	c := &callDuel{dom: dom, faults: d.faults, tally: d.writes, rng: rng}
	if rng.IntN(3) == 0 {
		c.lone(ctx)
	} else {
		var wg sync.WaitGroup
		wg.Go(func() {
			defer d.faults.catch("a duel's drain")
			c.drain(ctx)
		})
		c.crowded(ctx)
		wg.Wait()
	}
	d.faults.within("Close of a duel's domain", dom.Close)
}

// drain takes each call away as soon as it is made.
func (c *callDuel) drain(ctx context.Context) {
	for ctx.Err() == nil {
		c.drag.pull(1)
		if err := c.dom.Barrier(context.Background()); err != nil {
			c.faults.add(faultWait, "Barrier: %v", err)
			return
		}
	}
}

// crowded calls, and checks that each call has had its callback when its own Barrier returns.
func (c *callDuel) crowded(ctx context.Context) {
	// plain, as Barrier orders it; written by one worker or another
	var ran [256]int
	for round := 1; ctx.Err() == nil; round++ {
		for i := range ran {
			if i%4 == 0 {
				c.drag.pull(2)
			}
			smr.Call(c.dom, &ran[i], drawSize(c.rng), func(n *int) { *n++ })
		}
		if err := c.dom.Barrier(context.Background()); err != nil {
			c.faults.add(faultWait, "Barrier: %v", err)
			return
		}
		c.tally.updates.Add(uint64(len(ran)))
		for i, n := range ran {
			if n != round {
				c.faults.add(faultBarrier, "a callback had run %d times after %d calls and a Barrier", n, round)
				ran[i] = round
			}
		}
	}
}

// lone makes one call at a time and does nothing more. The domain must notice the call by itself,
// even if it was just about to go idle.
func (c *callDuel) lone(ctx context.Context) {
	for ctx.Err() == nil {
		var ran atomic.Bool
		began := time.Now()
		size := 0
		if c.rng.IntN(4) != 0 {
			size = smr.Expedite // the domain will soon be idle again
		}
		smr.Call(c.dom, &ran, size, func(ran *atomic.Bool) { ran.Store(true) })
		for !ran.Load() {
			if time.Since(began) > callTimeout {
				c.faults.add(faultCallback, "a lone call had no callback for %v", callTimeout)
				return
			}
			stay{spins: c.rng.IntN(2000), yields: c.rng.IntN(2)}.pass(c.rng)
		}
	}
}

// callTimeout is far more than MaxDelay, in case the machine is busy.
const callTimeout = 10 * time.Second

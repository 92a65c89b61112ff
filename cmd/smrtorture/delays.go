package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/smr"
)

// delays is calls that nothing holds up, or only a reader for a known time. With processors to
// spare each callback must begin within MaxDelay of the call, or of the reader's Leave. Here there
// are none to spare; so time is counted in wake-ups of a goroutine that sleeps for MaxDelay at a
// time, as it depends on the same scheduler and timers as the reclaimer.
type delays struct{}

const (
	lateWakes = 20          // of the goroutine that measures
	lateTime  = time.Second // and no less than that, since MaxDelay may be a millisecond
)

func (delays) join(r *rig) {
	for i := range 2 {
		name := fmt.Sprintf("delays %d", i)
		d := &delay{rng: r.rand(name), faults: &r.faults}
		d.dom = r.domain(name, func(o *smr.Options) { d.most = o.MaxDelay })
		inTime := r.counter("callbacks in time")
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				inTime.Add(d.round())
				p.beat()
			}
		})
	}
}

type delay struct {
	dom    *smr.Domain
	most   time.Duration // the domain's MaxDelay
	rng    *rand.Rand
	faults *faults
}

// A callCount counts callbacks. Several calls are made with it at a time.
type callCount struct {
	fate.Shared
	atomic.Int64
}

// round makes some calls, in some rounds beside a reader in its section, and returns how many
// callbacks have run.
func (d *delay) round() uint64 {
	calls := int64(1 + d.rng.IntN(8))
	began := new(callCount)
	call := func() {
		for range calls {
			if d.rng.IntN(2) == 0 {
				smr.Call(d.dom, began, drawQuietSize(d.rng), func(n *callCount) { n.Add(1) })
			} else {
				d.dom.CallFunc(drawQuietSize(d.rng), func() { began.Add(1) })
			}
		}
	}
	if d.rng.IntN(2) == 0 {
		s := d.dom.Enter()
		call()
		drawStay(d.rng, true).pass(d.rng)
		s.Leave()
	} else {
		call()
	}
	if d.await(func() bool { return began.Load() == calls }) {
		return uint64(calls)
	}
	d.faults.add(faultDelay, "%d of %d callbacks had begun after %d times MaxDelay (%v), and nobody held them up",
		began.Load(), calls, lateWakes, d.most)
	return 0
}

// drawQuietSize draws a size that asks for no haste.
func drawQuietSize(rng *rand.Rand) int { return rng.IntN(2) * elementSize }

// await waits, not too long, until done returns true, and reports whether it did.
func (d *delay) await(done func() bool) bool {
	const slices = 4 // of a sleep, so that most rounds need not wait for all of it
	start := time.Now()
	for wakes := 0; !done(); wakes++ {
		if wakes > slices*lateWakes && time.Since(start) > lateTime+lateWakes*d.most {
			return false
		}
		time.Sleep(d.most / slices)
	}
	return true
}

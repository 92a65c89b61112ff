package main

import (
	"context"
	"runtime"
	"time"
)

// toggling changes GOMAXPROCS all the time: to 1, 2, and twice what it was. With more
// processors than CPUs the kernel suspends threads anywhere, also inside an entry.
type toggling struct{}

func (toggling) join(r *rig) {
	rng, toggles := r.rand("GOMAXPROCS"), r.counter("changes of GOMAXPROCS")
	values := [...]int{1, min(2, 2*r.procs), 2 * r.procs}
	r.start("GOMAXPROCS", func(ctx context.Context, p *pulse) {
		for i := 0; ctx.Err() == nil; i++ {
			pause(ctx, 20*time.Millisecond+below(rng, 200*time.Millisecond))
			r.gate.pass() // duels have their own
			runtime.GOMAXPROCS(values[i%len(values)])
			toggles.Add(1)
			p.beat()
		}
	})
}

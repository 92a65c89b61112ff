package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"sync/atomic"
)

// A shelved is a hold that any goroutine may end.
type shelved struct {
	same    func() bool // whether what is held is as it was
	release func()
}

// An attic keeps holds for long: one goroutine lays them down, and another finds them.
type attic struct {
	faults *faults
	places [64]atomic.Pointer[shelved]
}

// swap lays h down, and returns what was in its place, or nil.
func (a *attic) swap(h *shelved, rng *rand.Rand) *shelved {
	return a.places[rng.IntN(len(a.places))].Swap(h)
}

func (a *attic) end(h *shelved) {
	if h == nil {
		return
	}
	if !h.same() {
		a.faults.add(faultPayload, "what was held long has changed")
	}
	h.release()
}

// empty ends what lies there, in a goroutine of its own.
func (a *attic) empty() {
	debug.SetPanicOnFault(true) // as in rig.start
	for i := range a.places {
		a.end(a.places[i].Swap(nil))
		runtime.Gosched()
	}
}

// rounds starts n goroutines that do round after round.
func (r *rig) rounds(what string, n int, round func(ctx context.Context, rng *rand.Rand)) {
	for i := range n {
		name := fmt.Sprintf("%s %d", what, i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				for range 16 {
					round(ctx, rng)
				}
				p.beat()
				runtime.Gosched()
			}
		})
	}
}

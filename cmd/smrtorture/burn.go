package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"

	"github.com/gosmr/gosmr/smr"
)

// burning is short-lived goroutines, and now and then threads, each of which does one thing: a
// read, a registration, a call, a section that another goroutine leaves afterwards. They end by
// returning, by Goexit, or by a panic that is recovered.
type burning struct{}

func (burning) join(r *rig) {
	p := r.shelf("torture")
	burnt := r.counter("goroutines burnt")
	for i := range 2 {
		name := fmt.Sprintf("burning %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, pu *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				n := 1 + rng.IntN(64)
				burn(p, rng, &r.reads, n)
				burnt.Add(uint64(n))
				pu.beat()
			}
		})
	}
}

// burn starts n goroutines, and leaves the sections that they leave open.
func burn(p *shelf, rng *rand.Rand, tally *readTally, n int) {
	left := make(chan smr.Section, n)
	var wg sync.WaitGroup
	for range n {
		b := &burner{reader{shelf: p, rng: fork(rng), kind: readBurst}, left}
		wg.Go(func() {
			defer p.faults.catch("a goroutine that burns")
			defer func() { tally.take(b.kind, &b.count) }()
			b.once()
		})
	}
	wg.Wait()
	close(left)
	for s := range left {
		s.Leave()
	}
}

type burner struct {
	reader
	left chan<- smr.Section
}

func (b *burner) once() {
	dom := b.shelf.dom
	switch b.rng.IntN(6) {
	case 0:
		b.registered(1)
	case 1: // waiters must see it leave, on a thread that ends with it
		if b.rng.IntN(16) == 0 {
			runtime.LockOSThread()
		}
		b.entering(1)
	case 2:
		defer b.visit(dom.Enter(), drawStay(b.rng, false))
		runtime.Goexit()
	case 3:
		var s smr.Section
		defer func() {
			recover()
			b.settle(s)
		}()
		dom.Read(func(open smr.Section) {
			s = open
			b.view.load(b.shelf, s, b.rng, 1)
			b.view.verify(s)
			panic("deliberate")
		})
	case 4: // its call outlives it
		b.shelf.calls.Add(1)
		smr.Call(dom, b.shelf, drawSize(b.rng), func(p *shelf) { p.callbacks.Add(1) })
	case 5:
		b.left <- dom.Enter()
	}
}

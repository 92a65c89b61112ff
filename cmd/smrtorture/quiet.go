package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// quietWorlds is domains of package stw that only poll, and a few members that each request
// something of them once a round, at about the same time, and wait until it is done: see game.
// There are no other requests, so a later one can't make good for one that is forgotten.
type quietWorlds struct{}

const quietDomains = 2

func (quietWorlds) join(r *rig) {
	dom := r.domain("quiet world", func(o *smr.Options) { o.StallAfter = -1 })
	w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
	if err != nil {
		panic(err)
	}
	r.after(func() { r.faults.within("Close of the quiet world", w.Close) })
	q := &quietWorld{w: w, dom: dom, faults: &r.faults}
	q.game.members = 3
	asked := r.counter("questions asked in quiet")
	for i := range quietDomains {
		name := fmt.Sprintf("quiet domain %d", i)
		rng := r.rand(name)
		d, err := w.Spawn(func(d *stw.Domain) {
			defer r.faults.catch(name)
			for !q.over.Load() {
				if rng.IntN(16) == 0 {
					d.Relax()
				}
				d.Poll()
			}
		})
		if err != nil {
			panic(err)
		}
		q.domains[i] = d
	}
	r.start("conductor in quiet", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			q.round(func(begin func()) { begin() })
			p.beat()
		}
		q.over.Store(true)
	})
	for i := range q.members {
		name := fmt.Sprintf("asker in quiet %d", i)
		rng := r.rand(name)
		r.start(name, func(_ context.Context, p *pulse) {
			q.play(p, func() {
				stay{spins: rng.IntN(1 << rng.IntN(9))}.pass(rng)
				q.ask(rng)
				asked.Add(1)
				r.writes.updates.Add(1)
			})
		})
	}
}

type quietWorld struct {
	game
	w       *stw.World
	dom     *smr.Domain
	domains [quietDomains]*stw.Domain
	faults  *faults
}

// ask makes one request and waits until it is done.
func (q *quietWorld) ask(rng *rand.Rand) {
	switch rng.IntN(4) {
	case 0:
		if err := q.dom.Synchronize(context.Background()); err != nil {
			q.faults.add(faultWait, "Synchronize: %v", err)
		}
	case 1:
		q.w.ForEach(func(*stw.Domain) {})
	default:
		var ran atomic.Bool
		if err := q.domains[rng.IntN(quietDomains)].Interrupt(func(*stw.Domain) { ran.Store(true) }); err != nil {
			q.faults.add(faultInterrupt, "Interrupt: %v", err)
			return
		}
		for !ran.Load() {
			runtime.Gosched()
		}
	}
}

package main

import (
	"context"
	"fmt"

	"github.com/gosmr/gosmr/smr"
)

// overlap has readers in sections of two domains at a time, entered and left in any order. Each
// section protects its own domain's elements, and holds back none of the other's: so a reader may
// wait for a grace period of one domain in a section of the other. (Not both ways, or two readers
// would wait for each other.)
type overlap struct{}

func (overlap) join(r *rig) {
	first, second := r.shelf("first"), r.shelf("second")
	waits := r.counter("waits in another domain's section")
	for i := range max(4, r.procs) {
		name := fmt.Sprintf("overlapping reader %d", i)
		o := &overlapper{waits: waits}
		rng := r.rand(name)
		for side, p := range [...]*shelf{first, second} {
			o.sides[side] = reader{shelf: p, rng: rng, kind: readOverlap}
		}
		r.start(name, func(ctx context.Context, p *pulse) {
			for side := range o.sides {
				o.registered[side] = o.sides[side].shelf.dom.NewReader()
				defer o.registered[side].Close()
			}
			for ctx.Err() == nil {
				r.gate.pass()
				o.read()
				for side := range o.sides {
					r.reads.take(readOverlap, &o.sides[side].count)
				}
				p.beat()
			}
		})
	}
	for i := range max(2, r.procs) {
		name := fmt.Sprintf("writer of both %d", i)
		var both [2]*writer
		rng := r.rand(name)
		for side, p := range [...]*shelf{first, second} {
			both[side] = &writer{shelf: p, rng: rng, ways: allWays, tally: &r.writes, gate: &r.gate}
		}
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				w := both[rng.IntN(2)]
				w.step(drawWriterKind(rng, w.ways))
				p.beat()
			}
			both[0].finish()
			both[1].finish()
		})
	}
}

// An overlapper is a reader of two shelves.
type overlapper struct {
	sides      [2]reader
	registered [2]*smr.Reader
	waits      *counter
}

// read enters two sections, one after the other, and leaves them in either order. It checks the
// elements of each until it leaves that, before and after the other is entered and left.
func (o *overlapper) read() {
	rng := o.sides[0].rng
	a, b := &o.sides[0], &o.sides[1] // a is entered first
	if rng.IntN(2) == 0 {
		a, b = b, a
	}
	sa := o.enter(a)
	a.view.load(a.shelf, sa, rng, 2)
	if a == &o.sides[0] && rng.IntN(64) == 0 {
		o.waits.Add(1)
		if err := b.shelf.dom.Synchronize(context.Background()); err != nil {
			a.shelf.faults.add(faultWait, "Synchronize in a section of another domain: %v", err)
		}
	}
	sb := o.enter(b)
	b.view.load(b.shelf, sb, rng, 2)
	drawStay(rng, rng.IntN(256) == 0).pass(rng)
	if rng.IntN(2) == 0 {
		a, b, sa, sb = b, a, sb, sa
	}
	b.visit(sb, drawStay(rng, false))
	a.visit(sa, drawStay(rng, rng.IntN(256) == 0))
}

// enter enters a section of one side's domain.
func (o *overlapper) enter(r *reader) smr.Section {
	if r.rng.IntN(2) == 0 {
		return r.shelf.dom.Enter()
	}
	if r == &o.sides[0] {
		return o.registered[0].Enter()
	}
	return o.registered[1].Enter()
}

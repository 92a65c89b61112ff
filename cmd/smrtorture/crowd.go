package main

import (
	"context"
	"fmt"
	"runtime"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// A crowd is readers and writers on the shelf named torture, more than there are processors: some
// reader is always suspended in its section, and some grace period is always under way.
type crowd struct {
	kinds  []readerKind // what its readers do; everything if nil
	ways   []writerKind // how its writers get their grace periods; every way if nil
	sleepy bool         // some reader is always asleep in its section
}

func (c crowd) join(r *rig) {
	p := r.shelf("torture")
	cpus := runtime.GOMAXPROCS(0)
	readers, writers := max(6, 2*cpus), max(3, cpus)
	if c.kinds == nil {
		for k := range numStints {
			c.kinds = append(c.kinds, k)
		}
	}
	if c.ways == nil {
		c.ways = allWays
	}
	world, err := stw.NewWorld(stw.Options{Max: readers, SMR: []*smr.Domain{p.dom}})
	if err != nil {
		panic(err)
	}
	r.after(func() { r.faults.within("Close of the crowd's world", world.Close) })
	// About half of the time all readers are awake, whatever their number: a sleepy stint takes
	// some ten times as long.
	awake := 10 * readers
	if c.sleepy {
		awake = 3
	}
	for i := range readers {
		name := fmt.Sprintf("reader %d", i)
		rd := &reader{shelf: p, rng: r.rand(name), kinds: c.kinds, awake: awake, gate: &r.gate, world: world}
		r.start(name, func(ctx context.Context, pu *pulse) { rd.run(ctx, pu, &r.reads) })
	}
	for i := range writers {
		name := fmt.Sprintf("writer %d", i)
		wr := &writer{shelf: p, rng: r.rand(name), ways: c.ways, tally: &r.writes, gate: &r.gate}
		r.start(name, wr.run)
	}
}

package main

import (
	"context"
	"math/rand/v2"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// endings closes maps, pools, blocks and their domain in any order; the domain may be first. Each
// Close must succeed and return all memory.
type endings struct{}

func (endings) join(r *rig) {
	e := &ending{rng: r.rand("endings"), faults: &r.faults}
	ended := r.counter("domains ended with what is of them")
	r.start("endings", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			e.round()
			ended.Add(1)
			r.writes.updates.Add(1)
			p.beat()
		}
	})
}

type ending struct {
	rng    *rand.Rand
	faults *faults
}

// A closer is something that is closed.
type closer struct {
	what string
	end  func(context.Context) error
}

// round makes some of each, uses them, and closes all.
func (e *ending) round() {
	dom := newDomain(drawOptions(e.rng), e.faults)
	budget := slab.NewBudget(0)
	all := []closer{
		{"the domain", dom.Close},
		e.ofMap(dom, budget), e.ofBytes(dom, budget), e.ofPool(dom, budget), e.ofBlocks(dom, budget),
	}
	e.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	for _, c := range all {
		e.faults.within("Close of "+c.what+", as one of several in any order", c.end)
	}
	e.compare(budget.Used())
}

// compare checks that none of the budget is in use when all is closed.
func (e *ending) compare(used int64) {
	if used != 0 {
		e.faults.add(faultLeak, "%d bytes are used by what was closed", used)
	}
}

// some returns how many to make: often none, and often many.
func (e *ending) some() int { return e.rng.IntN(1 << e.rng.IntN(10)) }

func (e *ending) ofMap(dom *smr.Domain, budget *slab.Budget) closer {
	m, err := smrmap.New[uint64, record](smrmap.Options{Domain: dom, Budget: budget})
	e.check(err)
	for range e.some() {
		key := e.rng.Uint64N(64)
		e.check(m.Store(key, newRecord(key, 1)))
		m.Delete(e.rng.Uint64N(64))
	}
	return closer{"a map", m.Close}
}

// ofBytes stores values of slabs, and values that are mappings of their own.
func (e *ending) ofBytes(dom *smr.Domain, budget *slab.Budget) closer {
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: budget})
	e.check(err)
	for i := range e.some() {
		size := e.rng.IntN(1 << e.rng.IntN(12))
		if i%64 == 0 {
			size += 64 << 10
		}
		e.check(m.Store(appendKey(nil, e.rng.Uint64N(64)), make([]byte, size)))
		m.Delete(appendKey(nil, e.rng.Uint64N(64)))
	}
	return closer{"a map of bytes", m.Close}
}

func (e *ending) ofPool(dom *smr.Domain, budget *slab.Budget) closer {
	pool := slab.New[body](dom, slab.Options{Budget: budget})
	for range e.some() {
		b, err := pool.Get()
		e.check(err)
		if e.rng.IntN(2) == 0 {
			pool.Retire(b)
		} else {
			pool.Free(b)
		}
	}
	return closer{"a pool", pool.Close}
}

func (e *ending) ofBlocks(dom *smr.Domain, budget *slab.Budget) closer {
	blocks := slab.NewBlocks(dom, slab.Options{Budget: budget})
	for range e.some() {
		b, err := blocks.Get(1 << e.rng.IntN(18))
		e.check(err)
		if e.rng.IntN(2) == 0 {
			blocks.Retire(b)
		} else {
			blocks.Free(b)
		}
	}
	return closer{"blocks", blocks.Close}
}

func (e *ending) check(err error) {
	if err != nil {
		e.faults.add(faultPool, "without a bound there was no memory: %v", err)
	}
}

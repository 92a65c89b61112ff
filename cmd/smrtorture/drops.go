package main

import (
	"context"
	"runtime"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// drops is maps, pools and blocks that are dropped without Close, as Go maps are, for the collector
// to find. Their memory comes back once the readers that may hold it have left.
type drops struct{}

func (drops) join(r *rig) {
	dr := &dropping{ending: ending{rng: r.rand("drops"), faults: &r.faults}}
	dr.dom = r.domain("drops", nil)
	dropped := r.counter("maps and pools dropped")
	r.start("drops", func(ctx context.Context, p *pulse) {
		for first := true; first || ctx.Err() == nil; first = false {
			r.gate.pass()
			budget := slab.NewBudget(0)
			s := dr.dom.Enter()
			dr.makeAndDrop(budget)
			runtime.GC()
			drawStay(dr.rng, true).pass(dr.rng)
			s.Leave()
			dr.await(budget, p)
			dropped.Add(4)
			r.writes.updates.Add(1)
		}
	})
}

type dropping struct {
	ending
	dom *smr.Domain
}

// makeAndDrop makes one of each, uses it, and keeps none.
//
//go:noinline
func (dr *dropping) makeAndDrop(budget *slab.Budget) {
	dr.ofMap(dr.dom, budget)
	dr.ofBytes(dr.dom, budget)
	dr.ofPool(dr.dom, budget)
	dr.ofBlocks(dr.dom, budget)
}

// await waits until none of the budget is in use.
func (dr *dropping) await(budget *slab.Budget, p *pulse) {
	began := time.Now()
	for budget.Used() != 0 {
		if time.Since(began) > min(callTimeout, dr.faults.patience) {
			dr.faults.add(faultLeak, "%d bytes are used by what was dropped, %v ago", budget.Used(), time.Since(began).Round(time.Second))
			return
		}
		runtime.GC()
		if err := dr.dom.Barrier(context.Background()); err != nil {
			dr.faults.add(faultWait, "Barrier: %v", err)
		}
		// Making a pool reclaims what dropped ones left.
		dr.faults.within("Close of a pool", slab.New[body](dr.dom, slab.Options{}).Close)
		p.beat()
	}
}

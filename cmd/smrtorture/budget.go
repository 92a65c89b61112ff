package main

import (
	"context"
	"runtime"
	"time"

	"github.com/gosmr/gosmr/slab"
)

// A purse is a budget that is checked all the time: by its users after each allocation, and by a
// goroutine. It is never exceeded by more than its users are allowed to force.
type purse struct {
	*slab.Budget
	name    string
	limit   int64
	allowed int64 // beyond the limit
	faults  *faults
	peak    *counter // percent of the limit that was used at most, rounded up
}

// budget makes a budget for a part. At the end, when all its users are closed, none of it may be in
// use.
func (r *rig) budget(name string, limit, allowed int64) *purse {
	p := &purse{
		Budget: slab.NewBudget(limit), name: name, limit: limit, allowed: allowed,
		faults: &r.faults, peak: r.counter("% of the budget of " + name + " used"),
	}
	r.after(func() {
		if n := p.Used(); n != 0 {
			r.faults.add(faultLeak, "%d bytes of the budget of %s are used by nobody", n, name)
		}
	})
	r.start("budget of "+name, func(ctx context.Context, pu *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			for range 64 {
				p.look()
				runtime.Gosched()
			}
			pause(ctx, 100*time.Microsecond)
			pu.beat()
		}
	})
	return p
}

// look checks how much is in use.
func (p *purse) look() {
	used := p.Used()
	if used < 0 || used > p.limit+p.allowed {
		p.faults.add(faultBudget, "%d bytes of %s are used, with a limit of %d, and %d beyond it at most",
			used, p.name, p.limit, p.allowed)
	}
	p.peak.raise(uint64((max(used, 0)*100 + p.limit - 1) / p.limit))
}

//go:build smr_sched

package slab

import (
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// Of two that want the last step of a slab one gets it, and the other a slab. The budget counts what they
// have, also if the first slab goes meanwhile.
func TestSchedules_OpenAgainstOpen(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 5_000, Bound: 3, Procs: 3}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		b := NewBudget(0)
		p := New[page](d, Options{Budget: b, PrivateFree: true})
		s := p.s
		grow := func() {
			if err := s.grow(); err != nil {
				x.Fail("grow: %v", err)
			}
		}
		for s.heap.reserved+int64(s.step) < int64(s.slabSize) {
			grow()
		}
		x.Go("grow", 0, grow)
		x.Go("grow too", 1, grow)
		x.Go("trim", 2, func() { s.policy.trim(trimUnread) })
		return func() {
			checkCounts(t, s)
			if used := b.Used(); used != s.heap.reserved {
				x.Fail("%d bytes are counted, and %d taken", used, s.heap.reserved)
			}
			closePool(x, d, p)
			if b.Used() != 0 {
				x.Fail("%d bytes are left", b.Used())
			}
		}
	})
}

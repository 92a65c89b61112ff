//go:build smr_sched

package slab

import (
	"testing"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A cache is unloaded, under every schedule up to a bound, when its holder is not at
// it, and then its holder finds it gone.
func TestSchedules_UnloadAgainstHolder(t *testing.T) {
	for name, fence := range map[string]asym.Fence{"membarrier": asym.New(), "both": asym.Both()} {
		t.Run(name, func(t *testing.T) {
			d, err := smr.New(smr.Options{})
			if err != nil {
				t.Fatal(err)
			}
			sched.Explore(t, sched.Options{Bound: 5}, func(x *sched.Exec) func() {
				p := New[[64]byte](d, Options{})
				s := p.s
				s.fence = fence
				s.pinLoaded().unpin()
				var look relacq.Uint64
				held := false
				x.Go("holder", 0, func() {
					for range 2 {
						c := s.pin()
						if c.magazines() != nil {
							held = true
							look.Load()
							look.Load()
							held = false
						}
						c.unpin()
					}
				})
				x.Go("unloader", 1, func() {
					if out := s.unload(); len(out) != 1 {
						x.Fail("%d caches were unloaded", len(out))
					}
					if held {
						x.Fail("a cache is unloaded while its holder is at it")
					}
				})
				return nil
			})
		})
	}
}

// Two on one processor, or stripe, use its cache in turn: it gives its last object to one of them,
// and has room for what both retire.
func TestSchedules_TwoAtOneCache(t *testing.T) {
	d, err := smr.New(smr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		p := New[[64]byte](d, Options{})
		p.Free(get(t, p))
		var objs [2]*[64]byte
		for i, name := range []string{"one", "other"} {
			x.Go(name, 0, func() { objs[i] = get(t, p) })
		}
		return func() {
			if objs[0] == objs[1] {
				x.Fail("both got one object")
			}
			if n := p.Stats().InUse; n != 2 {
				x.Fail("%d objects are in use, and not 2", n)
			}
			freeAll(p, objs[:])
		}
	})
}

// What is put back while a claim ends is the claim's or the budget's, under every schedule
// up to a bound: in the end no byte is taken.
func TestSchedules_PutAgainstClaim(t *testing.T) {
	d, err := smr.New(smr.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sched.Explore(t, sched.Options{Bound: 4}, func(x *sched.Exec) func() {
		b := &Blocks{blocks: &blocks{dom: d, budget: NewBudget(100)}}
		c := &claim{b: b, need: 50, want: 50}
		c.missing.Set(c.want)
		b.budget.claim.Set(c)
		b.budget.used.Set(100)
		for i := range 2 {
			x.Go("putter", i, func() { b.budget.Release(40) })
		}
		x.Go("claimant", 0, func() {
			if c.spend() {
				b.budget.Release(c.need)
			}
			c.putBack(0)
			b.budget.claim.Store(nil)
		})
		return func() {
			if used := b.budget.used.Now(); used != 20 {
				x.Fail("%d bytes are taken instead of 20", used)
			}
		}
	})
}

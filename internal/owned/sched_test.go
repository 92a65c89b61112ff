//go:build smr_sched

package owned

import (
	"testing"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/pcpu"
)

// Two owners of a slot use its value, remove it, or install one while another goroutine
// revokes, under every schedule up to a bound: no goroutine has a value that another uses, and each
// value is taken once.
func TestSchedules_RevokeAgainstOwner(t *testing.T) {
	for name, fence := range fences() {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Bound: 3}, func(x *sched.Exec) func() {
				all := []*share{new(share), new(share)} // of both processors
				sh := all[pcpu.Pin()]                   // the owners'
				pcpu.Unpin()
				sh.Value.Store(new(value))
				installed, taken := 1, 0
				var look relacq.Uint64
				own := func(remove bool) {
					pcpu.Pin()
					defer pcpu.Unpin()
					if !sh.TryLock(fence) {
						return
					}
					v := sh.Value.Load()
					if v == nil {
						if v = new(value); !sh.Value.CompareAndSwap(nil, v) {
							x.Fail("a slot that an owner found empty is not")
						}
						installed++
					}
					if v.used {
						x.Fail("two owners use a value")
					}
					v.used = true
					look.Load()
					v.used = false
					if remove && sh.Value.CompareAndSwap(v, nil) {
						taken++
					}
					sh.Unlock()
				}
				x.Go("owner", 0, func() { own(false); own(true) })
				x.Go("other owner", 0, func() { own(false) })
				x.Go("revoker", 1, func() {
					for _, v := range Revoke(fence, all, nil) {
						if v.used {
							x.Fail("a value is revoked while its owner uses it")
						}
						taken++
					}
				})
				return func() {
					if left := len(Revoke(fence, all, nil)); taken+left != installed {
						x.Fail("of %d values %d were taken and %d are left", installed, taken, left)
					}
				}
			})
		})
	}
}

// Two revokers close a slot at once, under every schedule: its value is taken once, and what they
// leave is not taken for a value.
func TestSchedules_RevokeAgainstRevoke(t *testing.T) {
	fence := asym.New()
	sched.Explore(t, sched.Options{Bound: 3}, func(x *sched.Exec) func() {
		all := []*share{new(share), new(share)}
		v, closed := new(value), new(value)
		all[1].Value.Store(v)
		taken := 0 // one goroutine runs at a time
		revoke := func() {
			for _, got := range Revoke(fence, all, closed) {
				if got != v {
					x.Fail("a revoker takes what the other left")
				}
				taken++
			}
		}
		x.Go("revoker", 0, revoke)
		x.Go("other revoker", 1, revoke)
		return func() {
			if taken != 1 {
				x.Fail("the value was taken %d times", taken)
			}
		}
	})
}

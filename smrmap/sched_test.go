//go:build smr_sched

package smrmap

import (
	"testing"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/sched"
)

// Whoever parks for a bucket's lock is woken by whoever unlocks it, under every
// schedule up to a bound.
func TestSchedules_ParkAgainstUnlock(t *testing.T) {
	for name, fence := range map[string]asym.Fence{"membarrier": asym.New(), "both": asym.Both()} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
				l := &lots{fence: fence}
				b := new(bucket)
				held := false
				for i, name := range []string{"one", "two", "three"} {
					x.Go(name, i, func() {
						ctl := l.lock(b)
						if held {
							x.Fail("two hold the lock")
						}
						held = true
						sched.Plain()
						held = false
						l.release(b, ctl)
					})
				}
				return func() {
					if n := l.of(b).parked.Load(); n != 0 {
						x.Fail("%d seem parked", n)
					}
				}
			})
		})
	}
}

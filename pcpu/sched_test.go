//go:build smr_sched

package pcpu

import (
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
)

// What two on one processor, or stripe, add to a counter is in its sum, and what one elsewhere
// adds, too, under every schedule up to a bound.
func TestSchedules_CounterAdds(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		c := new(Counter)
		c.Load() // sets it up
		for i, name := range []string{"one", "other", "third"} {
			x.Go(name, i/2, func() {
				c.Add(3)
				c.Add(-1)
			})
		}
		return func() {
			if n := c.Load(); n != 6 {
				x.Fail("the sum of 3 times 2 is %d", n)
			}
		}
	})
}

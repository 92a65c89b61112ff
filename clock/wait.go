package clock

import (
	"context"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
)

// Wait commits goal if necessary, and returns nil once every reader has reached it. It returns
// [ErrSeq] for a goal that this clock never issued, and ctx.Err() when ctx ends first; the goal
// then stays committed, and may be polled or waited for again.
//
// Do not call it inside a section of the same clock: it would wait for that section. Wait spins
// briefly and then parks until the last reader that holds the goal back leaves.
//
// Cost: that of Poll if the goal can be reached now: no allocation, no goroutine. A wait that parks
// costs some microseconds and, if no other is parked, starts the clock's driver, a goroutine that
// ends with the last parked wait.
func (c *Clock) Wait(ctx context.Context, goal Seq) error {
	reached, err := c.WaitOr(goal, ctx.Done(), nil)
	if err != nil || reached {
		return err
	}
	return ctx.Err()
}

// WaitOr is Wait with channels in place of a context: it returns true when goal is reached, false
// when stop or tick delivers first. Either may be nil.
func (c *Clock) WaitOr(goal Seq, stop <-chan struct{}, tick <-chan time.Time) (reached bool, err error) {
	if !c.issued(goal) {
		return false, ErrSeq
	}
	c.Commit(goal)
	reached, o := c.poll(goal)
	for !reached {
		if o.rec != nil {
			c.askForReports(goal)
			if c.driven() || !o.spin() {
				return c.park(goal, o, stop, tick), nil
			}
		}
		c.Commit(goal) // again, in case the clock was too far ahead
		reached, o = c.seek(goal, c.covering(goal, o.snap))
	}
	return true, nil
}

// How many loads of a reader's word a waiter or the driver spins for before it parks. Most sections
// end sooner, and parking and waking cost some microseconds. spinLoads take half a microsecond;
// askedLoads, for a reader that was just asked for a quiescent state, take two. Spinning does not
// yield: a goroutine that yields queues behind all that wait for a processor, and checks again a
// round of time slices later, when the leaving reader would long have woken it.
const (
	spinLoads  = 1000
	askedLoads = 4000
)

// spin waits briefly for the record to change, and reports whether it did.
func (o obstacle) spin() bool {
	if !o.rec.clock.parallel {
		return false
	}
	loads := spinLoads
	if o.rec.cpu == quiescentCPU {
		loads = askedLoads
	}
	for range sched.Spins(loads) {
		if o.rec.seq.Load() != o.word {
			return true
		}
	}
	return false
}

// askForReports calls the report function of each Quiescent record that holds back goal.
func (c *Clock) askForReports(goal Seq) {
	snap := snapshot{c.Reached(), c.Now()}
	for r := c.quiescent.Load(); r != nil; r = r.next.Load() {
		report := r.report.Load()
		if report == nil {
			continue
		}
		if at, active := c.position(r.seq.Load(), snap); active && at.Before(goal) {
			if Seq(c.asked.Load()) != goal {
				c.asked.Store(uint64(goal))
			}
			(*report)()
		}
	}
}

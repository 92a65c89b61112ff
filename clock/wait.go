package clock

import (
	"context"
	"slices"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
)

// Waiting.
//
// Of all goroutines that wait for goals of one clock, one leads: it scans, finds
// the oldest record that holds back its goal, and waits for that record to
// change. The others follow: every goal that is not reached is held back by
// that same record, so there is nothing for them to look at. (But for a record
// of a delayed reader, which may hold back less than it seems to: then another
// goroutine's Poll may reach the goal first, and wakes the leader.) After each
// scan the leader wakes those whose goals are reached; when it is done, or gives
// up, it wakes the next one to lead. Whoever was woken to lead and has no need
// to any more, its goal being reached or its context canceled, passes that on.
//
//	          Wait
//	           │  leading == false            leading == true
//	           ▼                               ▼
//	        ┌──────┐  done or gives up     ┌────────┐
//	        │ lead │ ────────────────────▶ │ follow │ ──▶ reached, or canceled
//	        └──────┘  wakes the next       └────────┘
//	           │ ▲                             │ woken: tries to lead
//	      park │ │ record changed              ▼
//	           ▼ │
//	      [ wake channel, ctx, stall timer ]

// waitQueue is the state that waiters share.
type waitQueue struct {
	mu        sync.Mutex
	leading   bool
	followers []*follower

	// parked is true while the leader sleeps. Written by the leader; read by
	// pollers that moved rd.
	parked atomic.Bool

	// The leader's own, handed on with leading.

	// stuckAt is what rd was when a leader first parked, stuckSince when that
	// was, and reportIn how long after that the stall is next reported. They
	// belong to the grace period, not to a leader: leaders come and go while
	// one lasts.
	stuckAt    Seq
	stuckSince time.Time
	reportIn   time.Duration
}

type follower struct {
	goal Seq
	wake chan struct{} // capacity 1; sent to once, on removal from followers
}

// Wait returns nil once every reader has reached goal. It commits the goal if
// that is not done yet. It returns [ErrSeq] for a goal that this clock never
// issued, and ctx.Err() when ctx ends first; then nothing is lost: the goal
// stays committed and may be polled or waited for again.
//
// It must not be called inside a section of the same clock: that section would
// be waited for. It spins briefly and then parks; the reader that leaves last
// wakes it.
func (c *Clock) Wait(ctx context.Context, goal Seq) error {
	reached, err := c.WaitOr(goal, ctx.Done(), nil)
	if err != nil || reached {
		return err
	}
	return ctx.Err()
}

// WaitOr is Wait with channels in place of a context: it returns true when goal
// is reached, false when stop or tick delivers first. Either may be nil.
func (c *Clock) WaitOr(goal Seq, stop <-chan struct{}, tick <-chan time.Time) (reached bool, err error) {
	if !c.issued(goal) {
		return false, ErrSeq
	}
	c.Commit(goal)
	reached, b := c.poll(goal)
	if reached {
		return true, nil
	}
	q := &c.wait
	for {
		q.mu.Lock()
		if c.reached(goal) {
			c.wakeFollowersLocked() // it may have been woken to lead
			q.mu.Unlock()
			return true, nil
		}
		if !q.leading {
			q.leading = true
			q.mu.Unlock()
			return c.leadAndHandOver(goal, b, stop, tick), nil
		}
		f := &follower{goal: goal, wake: make(chan struct{}, 1)}
		q.followers = append(q.followers, f)
		q.mu.Unlock()
		select {
		case <-f.wake:
			b = blocker{} // that was long ago
			continue
		case <-stop:
		case <-tick:
		}
		return c.unfollow(f), nil
	}
}

// leadAndHandOver leads, and then makes a follower lead: also when a function of
// the user's, called meanwhile, panics or ends the goroutine.
func (c *Clock) leadAndHandOver(goal Seq, b blocker, stop <-chan struct{}, tick <-chan time.Time) bool {
	defer func() {
		c.wait.mu.Lock()
		c.wait.leading = false
		c.wakeFollowersLocked()
		c.wait.mu.Unlock()
	}()
	return c.lead(goal, b, stop, tick)
}

// unfollow takes a follower that gives up out of the queue, and reports whether
// its goal was reached after all. If it had been woken to lead, the next one is.
func (c *Clock) unfollow(f *follower) bool {
	q := &c.wait
	q.mu.Lock()
	defer q.mu.Unlock()
	if i := slices.Index(q.followers, f); i >= 0 {
		q.followers = slices.Delete(q.followers, i, i+1)
	} else if !q.leading {
		c.wakeFollowersLocked()
	}
	return c.reached(f.goal)
}

// wakeFollowersLocked wakes every follower whose goal is reached and, unless
// somebody leads, one more to lead.
func (c *Clock) wakeFollowersLocked() {
	q := &c.wait
	next := q.leading
	q.followers = slices.DeleteFunc(q.followers, func(f *follower) bool {
		wake := c.reached(f.goal)
		if !wake && !next {
			wake, next = true, true
		}
		if wake {
			sched.Wakes()
			f.wake <- struct{}{}
		}
		return wake
	})
}

// lead waits until goal is reached (true) or stop or tick delivers (false). b is
// what a scan just now found to hold back goal; if that is nothing, it scans first.
func (c *Clock) lead(goal Seq, b blocker, stop <-chan struct{}, tick <-chan time.Time) bool {
	var stall *time.Timer
	for ; ; b = (blocker{}) {
		c.Commit(goal) // again, in case the clock was too far ahead
		if b.rec == nil {
			b = c.scan(goal)
		}
		told := c.Reached() // whoever is told of that: this goal's waiter too
		if !told.Before(goal) {
			return true
		}
		c.wait.mu.Lock()
		c.wakeFollowersLocked()
		c.wait.mu.Unlock()
		if b.rec == nil {
			continue
		}
		c.askForReports(goal)
		if b.spin() {
			continue
		}
		if !c.arm(b) {
			continue
		}

		var stalled <-chan time.Time
		if left, ok := c.stallTime(); ok {
			if stall == nil {
				stall = time.NewTimer(left)
				defer stall.Stop()
			} else {
				stall.Reset(left)
			}
			stalled = stall.C
		}
		c.wait.parked.Store(true)
		if c.Reached() != told {
			// A poller moved rd and looked at parked before: a follower's goal
			// may be reached, or this one.
			c.wait.parked.Store(false)
			continue
		}
		givenUp := false
		select {
		case <-c.wake:
		case <-stop:
			givenUp = true
		case <-tick:
			givenUp = true
		case <-stalled:
			c.reportStall(goal)
		}
		c.wait.parked.Store(false)
		if givenUp {
			return c.Poll(goal)
		}
	}
}

// How long a leader spins before it parks: most sections are over sooner, and
// parking and being woken costs some microseconds. spinLoads look at a running
// reader for half a microsecond, and askedLoads at one that has just been asked for
// a quiescent state for two. It does not yield: it would queue up behind every
// goroutine that waits for a processor, to look again a round of time slices later,
// where the reader that leaves would have woken it.
const (
	spinLoads  = 1000
	askedLoads = 4000
)

// spin reports whether the blocking record changed soon.
func (b blocker) spin() bool {
	if !b.rec.clock.parallel {
		return false
	}
	loads := spinLoads
	if b.rec.kind == Quiescent {
		loads = askedLoads
	}
	for range sched.Spins(loads) {
		if b.rec.seq.Load() != b.word {
			return true
		}
	}
	return false
}

// arm asks the blocking record's reader to wake the leader, and reports whether
// it will: false means that it has left already.
//
// The flag is stored, then fenced, then the record is looked at again; the
// reader stores its record and then looks at the flag, with the cheap half of
// the same fence between. At least one of them sees the other.
func (c *Clock) arm(b blocker) bool {
	b.rec.waiter.Store(1)
	c.heavyFence()
	return b.rec.seq.Load() == b.word
}

// askForReports calls the report function of each Quiescent record that holds
// back goal.
func (c *Clock) askForReports(goal Seq) {
	for _, b := range c.Blocking(goal) {
		if report := b.Record.report.Load(); report != nil {
			(*report)()
		}
	}
}

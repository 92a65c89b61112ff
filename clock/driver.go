package clock

import (
	"slices"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
)

// A waiter that must park registers with the clock's driver: one goroutine, which
// exists while a waiter is registered. The driver scans, finds the oldest record
// that holds back a goal, sleeps until that record changes, and releases every
// waiter whose goal is reached. One record is enough: a scan moves rd to the oldest
// record's moment, so that record holds back every goal that is not reached.
//
//	waiter                                  driver
//	  │ poll, spin                            ┌────────────────────────────┐
//	  ▼                                       ▼                            │
//	register ─── the first starts it ──────▶ scan                          │
//	  │                                       ▼                            │
//	  ▼            its goal is reached       release ── none left, ──▶ end │
//	[done, stop, tick] ◀──────────────────────┤         or dismissed       │
//	  │ stop or tick                          ▼                            │
//	  ▼                                      spin, arm                     │
//	unregister ── the last dismisses it       ▼                            │
//	  │           and kicks                  [wake, stall timer] ──────────┘
//	  └─────────────────────────────────────▶ ▲ ▲
//	   a reader that leaves an armed record ──┘ └── a Poll that moves rd
//
// The order of scan and release matters: a waiter that registers after release has
// found, under the lock, that rd, which the scan moved, has not reached its goal. The
// record of that scan holds it back too, and the driver may sleep on it.
//
// A record does not hold back a goal if its reader was delayed between loading wr and
// storing it: a Poll whose scan was over before that store may move rd past the goal.
// Such a Poll kicks. It moves rd and then loads term; the first waiter sets term before
// the driver starts and loads rd, and a later one loads rd after term was set. So a Poll
// that sees no driver has moved rd before the driver, or the waiter, looks at it.
//
// The waiter that gives up last ends the driver's term itself, under the lock, and does
// not leave that to the driver: the next waiter then starts a driver of its own. A
// dismissed driver would serve it as well, but may be part of another testing/synctest
// bubble, whose end it would delay, or outside the waiter's, where it must not touch the
// waiter's channel. The waiter takes turn for the driver that it starts, before it starts
// it, and the driver gives turn back as it ends. So the dismissed one is the only receiver
// from wake until it has ended, and gets the kick that says so.
//
// Rejected: a driver that takes turn itself. If it is dismissed before it gets there, the
// next one may come first, and it waits until that has ended: longer than its waiters live.

// driver is the state that waiters and the driver share.
type driver struct {
	mu      sync.Mutex // guards waiters, terms, and stores to term
	waiters []*waiter  // in no order
	terms   uint64     // how many drivers there were

	// term numbers the driver that serves the waiters; 0 if there is none. Stored
	// under mu by the waiter that registers first, by the waiter that gives up last,
	// and by the driver that finds no waiter left; loaded by pollers that moved rd and
	// by waiters that decide whether to spin.
	term atomic.Uint64

	// wake is sent to, without blocking, by a reader that leaves a record whose
	// waiter flag is set, by a poller that moved rd, and by the waiter that dismisses
	// the driver. The driver that holds turn receives. Capacity 1.
	wake chan struct{}

	// turn belongs to the driver for as long as it lives: the waiter that starts it
	// locks turn, after mu, and the driver unlocks it as it ends. It guards what follows.
	turn sync.Mutex

	// stuckAt is what rd was when a driver first slept, stuckSince when that was, and
	// reportIn how long after that the stall is next reported. They belong to the
	// grace period: drivers come and go while one lasts.
	stuckAt    Seq
	stuckSince time.Time
	reportIn   time.Duration
}

// A waiter is a registered wait.
type waiter struct {
	goal Seq
	done chan struct{} // closed, by the driver, when it takes the waiter off the list
}

// driven reports whether there is a driver.
func (c *Clock) driven() bool { return c.driver.term.Load() != 0 }

// park waits until goal is reached (true), or stop or tick delivers and it is not
// reached (false). o holds back goal.
func (c *Clock) park(goal Seq, o obstacle, stop <-chan struct{}, tick <-chan time.Time) bool {
	w := &waiter{goal: goal, done: make(chan struct{})}
	if !c.register(w, o) {
		return true
	}
	select {
	case <-w.done:
		return true
	case <-stop:
	case <-tick:
	}
	c.unregister(w)
	return c.Poll(goal)
}

// register adds a waiter, and starts a driver if there is none. It reports false, and
// does nothing, if the waiter's goal is reached.
func (c *Clock) register(w *waiter, o obstacle) bool {
	d := &c.driver
	d.mu.Lock()
	if c.reached(w.goal) {
		d.mu.Unlock()
		return false
	}
	d.waiters = append(d.waiters, w)
	first := !c.driven()
	if first {
		d.terms++
		d.term.Store(d.terms)
	}
	term := d.terms
	d.mu.Unlock()
	if first {
		d.turn.Lock() // once a dismissed driver has ended
		sched.Go(func() { c.drive(term, w.goal, o) })
	}
	return true
}

// unregister removes a waiter that gives up, and dismisses the driver with the last one.
func (c *Clock) unregister(w *waiter) {
	d := &c.driver
	d.mu.Lock()
	defer d.mu.Unlock()
	i := slices.Index(d.waiters, w)
	if i < 0 {
		return // the driver has released it
	}
	d.waiters = slices.Delete(d.waiters, i, i+1)
	if len(d.waiters) == 0 {
		d.term.Store(0)
		c.kick()
	}
}

// drive is the driver's goroutine. o is what holds back goal, to begin with.
func (c *Clock) drive(term uint64, goal Seq, o obstacle) {
	returned := false
	defer func() {
		if returned {
			c.driver.turn.Unlock()
		} else { // OnStall or a report function ended the goroutine
			sched.Go(func() { c.drive(term, goal, obstacle{}) })
		}
	}()
	c.driveOn(term, goal, o)
	returned = true
}

// driveOn serves the waiters until the term is over.
func (c *Clock) driveOn(term uint64, goal Seq, o obstacle) {
	for {
		scanned := o.rec == nil
		if scanned {
			c.Commit(goal) // again, in case the clock was too far ahead
			o = c.scan(goal)
		}
		var over bool
		if goal, over = c.release(term); over {
			return
		}
		if scanned {
			c.askForReports(goal)
		}
		if o.rec != nil && !(scanned && o.spin()) && c.arm(o) {
			c.sleep(goal)
		}
		o = obstacle{}
	}
}

// release releases the waiters whose goals are reached, and returns the oldest goal of
// the others. over reports that the term is over, because there is no other or the driver
// was dismissed.
func (c *Clock) release(term uint64) (oldest Seq, over bool) {
	d := &c.driver
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.term.Load() != term {
		return 0, true
	}
	d.waiters = slices.DeleteFunc(d.waiters, func(w *waiter) bool {
		if c.reached(w.goal) {
			sched.Wakes()
			close(w.done)
			return true
		}
		if oldest == 0 || w.goal.Before(oldest) {
			oldest = w.goal
		}
		return false
	})
	if len(d.waiters) == 0 {
		d.term.Store(0)
		return 0, true
	}
	return oldest, false
}

// arm asks the record's reader to wake the driver, and reports whether it will: false
// means that it has left already.
//
// The flag is stored, then fenced, then the record is loaded again; the reader
// stores its record and then loads the flag, with the cheap half of the same fence
// between. At least one of them sees the other.
func (c *Clock) arm(o obstacle) bool {
	o.rec.waiter.Store(1)
	c.heavyFence()
	return o.rec.seq.Load() == o.word
}

// sleep returns when the driver is kicked, or has reported a stall.
func (c *Clock) sleep(goal Seq) {
	var stalled <-chan time.Time
	if left, ok := c.stallTime(); ok {
		timer := time.NewTimer(left)
		defer timer.Stop()
		stalled = timer.C
	}
	select {
	case <-c.driver.wake:
	case <-stalled:
		c.reportStall(goal)
	}
}

// kick makes the driver scan again, or end if it is dismissed. It never blocks: the
// caller may be pinned. A kick without a driver is kept for the next one, which it makes
// scan once for nothing.
func (c *Clock) kick() {
	sched.Wakes()
	select {
	case c.driver.wake <- struct{}{}:
	default: // a kick is on its way
	}
}

// kickIfMoved kicks the driver, if there is one, when rd has moved from where it was.
func (c *Clock) kickIfMoved(rd Seq) {
	if c.driven() && c.Reached() != rd {
		c.kick()
	}
}

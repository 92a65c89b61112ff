package clock

import (
	"slices"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// A waiter that must park registers with the clock's driver: one goroutine, which exists while a
// waiter is registered. The driver scans, releases every waiter whose goal is reached, and sleeps
// until the oldest record that holds back a goal changes. One record is enough: a scan moves rd to
// the oldest record's moment, so that record holds back every goal that is not reached.
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
// The scan comes before the release. A waiter that registers after the release has found, under the
// lock, that rd has not reached its goal, and the scan has moved rd to its oldest record's moment.
// So that record holds back the new goal as well, and the driver may sleep on it.
//
// There is one exception: the record's reader was delayed between loading wr and storing it, and a
// Poll that scanned before that store moves rd past the goal. So a Poll that moves rd then loads
// term, and kicks the driver if there is one. Once term is set, release checks rd, and so does
// register for a waiter that joins. So either the Poll sees the driver, or a check sees the new rd.
//
// The waiter that gives up last ends the driver's term itself, under the lock; the driver ends
// later. So the next waiter starts a new driver: the dismissed one may belong to another
// testing/synctest bubble, whose end it would delay, or to none, and then must not touch a channel
// of the waiter's bubble.
//
// Two drivers must not receive from wake at once: the new one would take the kick that ends the
// dismissed one. So the waiter that starts a driver locks turn for it first, and the driver unlocks
// turn as it ends.
//
// Rejected: a driver that locks turn itself. One that is dismissed before it begins could lock turn
// after its successor, and so end only after that one.

// driver is the state that waiters and the driver share.
type driver struct {
	mu      ssync.Mutex // guards waiters, terms, and stores to term, stuckAt and stuckSince
	waiters []*waiter   // in no order
	terms   uint64      // drivers started so far

	// term numbers the driver that serves the waiters; 0 if there is none. Stored under mu by the
	// waiter that registers first, by the waiter that gives up last, and by the driver that finds
	// no waiter left; loaded by pollers that moved rd and by waiters that decide whether to spin.
	term satomic.Uint64

	// wake is sent to, without blocking, by a reader that leaves a record whose waiter flag is set,
	// by a poller that moved rd, and by the waiter that dismisses the driver. The driver that holds
	// turn receives. Capacity 1.
	wake chan struct{}

	// turn is held by the driver while it lives: the waiter that starts it locks turn, after it has
	// unlocked mu, and the driver unlocks turn as it ends. It guards what follows.
	turn ssync.Mutex

	// A driver first slept at stuckSince, when rd was stuckAt; the stall is next reported reportIn
	// later than that. They belong to the grace period: drivers come and go while one lasts. The
	// driver loads them, others under mu the first two.
	stuckAt    Seq
	stuckSince time.Time
	reportIn   time.Duration
}

// A waiter is a registered wait.
type waiter struct {
	goal Seq
	done chan struct{} // closed by the driver when it takes the waiter off the list
}

// driven reports whether there is a driver.
func (c *Clock) driven() bool { return c.driver.term.Load() != 0 }

// park waits until goal is reached (true), or stop or tick delivers and it is not reached (false).
// o holds back goal.
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

// register adds a waiter, and starts a driver if there is none. It reports false, and does nothing,
// if the waiter's goal is reached.
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
		sched.Go(func() { c.drive(term, w.goal, o, true) })
	}
	return true
}

// unregister removes a waiter that gives up. The last one dismisses the driver.
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

// drive is the driver's goroutine. o is what holds back goal, to begin with. Without ask it asks
// for no reports before it has slept: the report function that ended the previous goroutine would
// end this one at once.
func (c *Clock) drive(term uint64, goal Seq, o obstacle, ask bool) {
	returned := false
	defer func() {
		if returned {
			c.driver.turn.Unlock()
		} else { // OnStall or a report function ended the goroutine
			sched.Go(func() { c.drive(term, goal, obstacle{}, false) })
		}
	}()
	c.driveOn(term, goal, o, ask)
	returned = true
}

// driveOn serves the waiters until the term is over.
func (c *Clock) driveOn(term uint64, goal Seq, o obstacle, ask bool) {
	snap := o.snap
	for ; c.driver.term.Load() == term; ask = true { // do not scan once dismissed
		scanned := o.rec == nil
		if scanned {
			c.Commit(goal) // again, in case the clock was too far ahead
			snap = c.covering(goal, snap)
			o = c.scan(goal, snap)
		}
		var over bool
		if goal, over = c.release(term); over {
			return
		}
		if scanned && ask {
			c.askForReports(goal)
		}
		if o.rec != nil && !(scanned && o.spin()) && c.arm(o) {
			c.sleep(goal)
		}
		o = obstacle{}
	}
}

// release releases the waiters whose goals are reached, and returns the oldest goal of the others.
// over reports that the term is over: no other is left, or the driver was dismissed.
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

// arm asks the record's reader to wake the driver, and reports whether it will: false means that it
// has left already.
//
// The driver stores the flag by an atomic instruction, fences, and loads the record again; the
// reader stores its record and then loads the flag, with the cheap half of the same fence between.
// At least one sees the other. A Quiescent record's owner fences for itself.
func (c *Clock) arm(o obstacle) bool {
	o.rec.waiter.Store(1)
	if o.rec.cpu != quiescentCPU {
		c.heavyFence()
	}
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

// kick makes the driver scan again, or end if it is dismissed. It never blocks: the caller may be
// pinned. A kick without a driver is kept for the next one, and costs that one a needless scan.
func (c *Clock) kick() {
	sched.Wakes()
	select {
	case c.driver.wake <- struct{}{}:
	default: // one is pending
	}
}

// kickIfMoved kicks the driver, if there is one, when rd has moved from where it was.
func (c *Clock) kickIfMoved(rd Seq) {
	if c.driven() && c.Reached() != rd {
		c.kick()
	}
}

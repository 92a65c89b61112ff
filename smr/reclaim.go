package smr

import (
	"github.com/gosmr/gosmr/internal/owned"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// The reclaimer is one goroutine per domain. It exists while a chunk is open, or waits for a grace
// period or a worker. It takes in the chunks that are handed over, drives their grace periods, and
// starts workers for the chunks that are ready. It runs no callback, so a slow callback delays one
// worker and no grace period.
//
//	          a call finds it stopped
//	stopped ───────────────────────────▶ awake ◀──────────────────────┐
//	   ▲                                  │  │                        │ kick, check-in
//	   │    nothing open, waiting, ready  │  │ inbox empty            │
//	   └──────────────────────────────────┘  └─▶ asleep, or patient ──┘
//
// It is patient if the last check-in found nothing to do and no chunk is open: see pace.
//
// A caller writes (a chunk, flush, a told slot) and then loads state. The reclaimer stores state and then
// checks again for what callers write. So it misses none of them.
type reclaimer struct {
	// state is one of the constants below. Written by the reclaimer, except that a caller moves it
	// from stopped to awake and then starts the goroutine.
	state satomic.Uint32

	kick chan struct{} // wakes a sleeping reclaimer; capacity 1

	// flush asks for a drain at once. Set by any goroutine, before the kick; cleared by the
	// reclaimer, before the drain.
	flush satomic.Bool

	inbox chunkStack // chunks handed over and not taken in yet

	account

	// drainMu serializes drains: a chunk that one drain takes is in the inbox before the next
	// begins.
	drainMu ssync.Mutex

	mu ssync.Mutex // guards all below

	parking

	waiting chunkQueue // until their grace period ends, in the order of their goals
	ready   chunkQueue // until a worker takes them
	stuck   *chunk     // head of ready at the last check-in

	outstanding

	running []*chunk // what each worker runs, by its index; as long as there were workers at once
	graces  recentGraces

	graceTimes, callbackTimes histogram

	barriers  []barrierWait
	throttled []chan struct{}

	// workers holds the goroutine number of each of the Options.Workers workers, and behind them of
	// as many goroutines in Assist; 0 for none. claimWorker takes a free one, by compare-and-swap; the
	// worker itself writes it then; inCallback reads it.
	workers  []satomic.Uint64
	nWorkers satomic.Int32 // number of workers, starting ones included
	assists  assists

	punctual punctuality
	grace    graceTeller
}

const (
	stopped = iota
	asleep  // until the next check-in, or until a chunk is handed over
	patient // until it is kicked; the next check-in may be far off
	awake   // running, or waiting for a grace period until the next check-in
)

// notify tells the reclaimer of a chunk that the caller has just installed or handed over. The
// caller did so by an atomic operation, which comes before the load of state here. notify never
// blocks.
func (r *reclaimer) notify(d *Domain) {
	switch r.state.Load() {
	case stopped:
		r.start(d)
	case asleep:
		if !r.inbox.empty() {
			r.sendKick()
		}
	case patient:
		r.sendKick()
	}
}

// wakeUp starts or kicks the reclaimer, even if it waits for a grace period. Use it for what can't
// wait until the next check-in.
func (r *reclaimer) wakeUp(d *Domain) {
	r.start(d)
	r.sendKick()
}

// start starts the reclaimer's goroutine if it is stopped.
func (r *reclaimer) start(d *Domain) {
	if r.state.CompareAndSwap(stopped, awake) {
		r.punctual.expect(d.age())
		goUntilDone(d.reclaimUntilIdle)
	}
}

// sendKick wakes a sleeping reclaimer, or lets it skip its next sleep. It never blocks.
func (r *reclaimer) sendKick() {
	sched.Wakes()
	select {
	case r.kick <- struct{}{}:
	default: // one is on its way
	}
}

// goUntilDone runs loop in a goroutine. If a user's function (OnStall, a Quiescent's report) ends
// the goroutine by runtime.Goexit, as testing's FailNow does, another runs loop again.
func goUntilDone(loop func()) {
	sched.Go(func() {
		done := false
		defer func() {
			if !done {
				goUntilDone(loop)
			}
		}()
		loop()
		done = true
	})
}

// reclaimUntilIdle is the reclaimer's loop.
func (d *Domain) reclaimUntilIdle() {
	r := &d.reclaim
	d.label()
	p := d.newPace()
	defer p.timer.Stop()
	for {
		if !r.told.empty() {
			d.unpark()
		}
		d.checkInIfDue(p)
		if goal, ok := d.intake(); ok {
			d.graceBegins(goal)
			d.settle(p)
			end := d.traced(d.labels, "gracePeriod")
			_, err := d.clk.WaitOr(goal, r.kick, p.timer.C)
			end()
			if err != nil {
				panic("smr: the clock refused its own goal: " + err.Error())
			}
			d.unsettle(p)
			d.promote()
			continue
		}
		if d.idle() {
			d.before("stop")
			r.punctual.expect(0)
			r.state.Store(stopped)
			// If there is work after all, go on, unless a caller has started another goroutine.
			if d.idle() && !r.flush.Load() || !r.state.CompareAndSwap(stopped, awake) {
				return
			}
			r.punctual.expect(d.ageAt(p.due))
			continue
		}
		if !d.settle(p) {
			r.state.Store(asleep)
		}
		if r.inbox.empty() && !r.flush.Load() && !d.idle() {
			select {
			case <-r.kick:
			case <-p.timer.C:
			}
		}
		d.unsettle(p)
	}
}

// before lets a test act at a step of the reclaimer.
func (d *Domain) before(what string) {
	if d.opts.before != nil {
		d.opts.before(d, what)
	}
}

// idle reports whether the reclaimer has nothing to do, now and at the next check-in.
func (d *Domain) idle() bool {
	if d.anyOpen() {
		return false
	}
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.inbox.empty() && r.waiting.head == nil && r.ready.head == nil && r.told.empty()
}

// anyOpen reports whether a chunk is open.
func (d *Domain) anyOpen() bool {
	for _, sl := range d.calls.All() {
		if c := sl.Value.Load(); c != nil && c != closedChunk {
			return true
		}
	}
	return false
}

// drain hands over the open chunk of every processor. When it returns, every earlier call has
// reached the inbox: Revoke waits for an owner that is handing over its own chunk.
//
// After Revoke the chunks' entries, and what their callers had unlinked, are visible here. So a
// goal taken then covers them.
func (d *Domain) drain() {
	r := &d.reclaim
	r.drainMu.Lock()
	defer r.drainMu.Unlock()
	defer d.traced(d.labels, "drain")()
	var left *chunk
	if d.clk.Sealed() {
		left = closedChunk
	}
	taken := owned.Revoke(d.fence, d.calls.All(), left)
	if len(taken) == 0 {
		return
	}
	goal := d.clk.DeferredAdvance()
	for _, c := range taken {
		d.handOver(c, goal)
	}
}

// intake empties the inbox and commits the goals of its chunks. It returns the goal to wait for
// next, if any.
func (d *Domain) intake() (goal Seq, ok bool) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	d.takeInLocked()
	if r.waiting.head == nil {
		return 0, false
	}
	return r.waiting.head.goal, true
}

// takeInLocked is intake under the lock.
func (d *Domain) takeInLocked() {
	r := &d.reclaim
	c := r.inbox.takeAll()
	now := int64(0)
	if c != nil {
		now = d.age()
	}
	for c != nil {
		next := c.next
		c.since = now
		r.outstanding.add(c)
		r.waiting.insert(c)
		d.clk.Commit(c.goal)
		c = next
	}
}

// promote makes the chunks ready whose grace period has ended. Only the reclaimer calls it.
func (d *Domain) promote() {
	reached := d.clk.Reached()
	d.stallEnds()
	d.graceEnds(reached)
	d.makeReady(reached)
}

// makeReady makes the chunks ready that wait for goals up to reached, which is reached, and starts
// workers.
func (d *Domain) makeReady(reached Seq) {
	r := &d.reclaim
	held := d.heldOf(reached)
	r.mu.Lock()
	defer r.mu.Unlock()
	now := d.age()
	if c := r.waiting.head; c != nil && !reached.Before(c.goal) {
		r.graces.add(now - c.since)
		r.graceTimes.add(now-c.since, 1)
	}
	for c := r.waiting.head; c != nil && !reached.Before(c.goal); c = r.waiting.head {
		c.held, c.since, c.ready = held, now, now
		r.ready.push(r.waiting.pop())
	}
	d.startWorkersLocked()
}

// startWorkersLocked starts workers for the ready chunks: the first at once, another for every
// chunksPerWorker. Goroutines in Assist count as workers.
func (d *Domain) startWorkersLocked() {
	r := &d.reclaim
	for r.ready.n > chunksPerWorker*r.busy() && d.startWorkerLocked() {
	}
}

// chunksPerWorker is the number of ready chunks per worker: a goroutine costs about as much as a
// hundred short callbacks.
const chunksPerWorker = 8

package smr

import (
	"github.com/gosmr/gosmr/internal/owned"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// The reclaimer is one goroutine per domain. It exists while a chunk is open, or waits
// for a grace period or a worker. It takes in the chunks that are handed over, drives
// their grace periods, and starts workers for those whose grace period has ended. It
// runs no callback, so a slow callback delays one worker and no grace period.
//
//	          a call finds it stopped
//	stopped ───────────────────────────▶ awake ◀──────────────────────┐
//	   ▲                                  │  │                        │ kick, check-in
//	   │    nothing open, waiting, ready  │  │ inbox empty            │
//	   └──────────────────────────────────┘  └─▶ asleep, or patient ──┘
//
// It is patient when the last check-in found nothing to do and no chunk is open. Then
// only a reader that leaves, a worker that finishes or a new call can give it work, and
// each of them wakes it. Its check-ins become rare (see pace).
//
// A caller writes (a chunk, flush) and then loads state. The reclaimer stores state and
// then checks again for what callers write. So it misses neither a chunk nor a flush.
type reclaimer struct {
	// state is one of the constants below. Written by the reclaimer, except that a
	// caller moves it from stopped to awake and then starts the goroutine.
	state satomic.Uint32

	// kick wakes a sleeping reclaimer. Sent to without blocking; capacity 1.
	kick chan struct{}

	// flush asks the reclaimer to drain at once. Set by any goroutine, before the
	// kick; cleared by the reclaimer, before the drain.
	flush satomic.Bool

	inbox chunkStack // chunks handed over and not taken in yet

	account

	// drainMu serializes drains: a chunk that one drain takes from its slot is in the
	// inbox before another drain begins.
	drainMu ssync.Mutex

	mu ssync.Mutex // guards all below

	waiting chunkQueue // until their grace period ends, in the order of their goals
	ready   chunkQueue // until a worker takes them
	stuck   *chunk     // head of ready at the last check-in

	outstanding

	barriers  []barrierWait
	throttled []chan struct{}

	// workers holds the goroutine number of each worker, 0 for none. Its length is
	// Options.Workers. Written under mu, or by the worker itself; read by inCallback
	// without mu.
	workers  []satomic.Uint64
	nWorkers satomic.Int32 // number of workers, starting ones included
}

const (
	stopped = iota
	asleep  // until the next check-in, or until a chunk is handed over
	patient // until it is kicked; the next check-in may be far off
	awake   // running, or waiting for a grace period until the next check-in
)

// notify makes sure that the reclaimer learns of a chunk that the caller has just
// installed or handed over, by an atomic operation that comes before the load of state
// here. It never blocks.
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

// wakeUp starts or kicks the reclaimer, also one that waits for a grace period. Use it for
// what can't wait until the next check-in.
func (r *reclaimer) wakeUp(d *Domain) {
	r.start(d)
	r.sendKick()
}

// start starts the reclaimer's goroutine if it is stopped.
func (r *reclaimer) start(d *Domain) {
	if r.state.CompareAndSwap(stopped, awake) {
		sched.Go(d.runReclaimer)
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

// runReclaimer is the reclaimer's goroutine.
func (d *Domain) runReclaimer() {
	returned := false
	defer func() {
		if !returned { // a Quiescent's report ended the goroutine, as testing's FailNow does
			sched.Go(d.runReclaimer)
		}
	}()
	d.reclaimUntilIdle()
	returned = true
}

// reclaimUntilIdle is the reclaimer's loop.
func (d *Domain) reclaimUntilIdle() {
	r := &d.reclaim
	p := d.newPace()
	defer p.timer.Stop()
	for {
		d.checkInIfDue(p)
		if goal, ok := d.intake(); ok {
			d.settle(p)
			if _, err := d.clk.WaitOr(goal, r.kick, p.timer.C); err != nil {
				panic("smr: the clock refused its own goal: " + err.Error())
			}
			d.unsettle(p)
			d.promote()
			continue
		}
		if d.idle() {
			d.before("stop")
			r.state.Store(stopped)
			if d.idle() && !r.flush.Load() || !r.state.CompareAndSwap(stopped, awake) {
				return
			}
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
	return r.inbox.empty() && r.waiting.head == nil && r.ready.head == nil
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

// drain hands over the open chunk of every processor. When it returns, every call that
// happened before has been in the inbox.
//
// Once the slots are revoked, the chunks' entries and what their callers had unlinked are
// visible here, so a goal taken then covers them. A caller that was handing its chunk over
// by itself has done so by then.
func (d *Domain) drain() {
	r := &d.reclaim
	r.drainMu.Lock()
	defer r.drainMu.Unlock()
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

// intake empties the inbox and commits the goals of its chunks. It returns the goal to wait
// for next, if a chunk waits.
func (d *Domain) intake() (goal Seq, ok bool) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := r.inbox.takeAll(); c != nil; {
		next := c.next
		r.outstanding.add(c)
		r.waiting.insert(c)
		d.clk.Commit(c.goal)
		c = next
	}
	if r.waiting.head == nil {
		return 0, false
	}
	return r.waiting.head.goal, true
}

// promote makes the chunks ready whose grace period has ended, and starts workers: the first
// at once, another for every chunksPerWorker.
func (d *Domain) promote() {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	reached := d.clk.Reached()
	for c := r.waiting.head; c != nil && !reached.Before(c.goal); c = r.waiting.head {
		r.ready.push(r.waiting.pop())
	}
	for r.ready.n > chunksPerWorker*int(r.nWorkers.Load()) && d.startWorkerLocked() {
	}
}

// chunksPerWorker is the number of ready chunks for which another worker is started: a
// goroutine costs about as much as a hundred short callbacks.
const chunksPerWorker = 8

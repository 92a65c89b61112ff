package smr

import (
	"github.com/gosmr/gosmr/internal/owned"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// The reclaimer is one goroutine per domain that exists while anything waits for
// a grace period or a worker. It takes in the chunks handed over, drives their grace
// periods, and starts workers for the chunks whose grace period is over. It runs
// no callback itself, so a slow callback holds up one worker and no grace period.
//
//	          a call finds it stopped
//	stopped ───────────────────────────▶ awake ◀──────────────────────┐
//	   ▲                                  │  │                        │ kick, check-in
//	   │    nothing open, waiting, ready  │  │ inbox empty            │
//	   └──────────────────────────────────┘  └─▶ asleep, or patient ──┘
//
// It is patient when the last check-in found nothing to do and no chunk is open:
// only a reader that leaves, a worker that finishes or a new call can make work
// for it, and each of them wakes it. Its check-ins become rare then (see pace).
//
// Every change away from awake is followed by a second look at what callers
// write before they look at the state, so neither a chunk nor a kick is missed.
type reclaimer struct {
	// state is one of the constants below. Written by the reclaimer; a caller
	// moves it from stopped to awake, and then starts the goroutine.
	state satomic.Uint32

	// kick wakes a sleeping reclaimer. Sent to without blocking; capacity 1.
	kick chan struct{}

	// flush asks the reclaimer to drain at once. Set by anybody before the
	// kick, cleared by the reclaimer before the drain.
	flush satomic.Bool

	inbox     chunkStack // handed over, and not taken in yet
	unslotted unslotted

	// handedOver is how many bytes are handed over, or on their way from a slot to
	// the reclaimer, and not freed yet. freed and freedBytes only grow, after
	// the callbacks have returned. Written by atomic add.
	handedOver        satomic.Int64
	freed, freedBytes satomic.Uint64

	// large is how many units of largeSize are pending, beside the bytes that are
	// counted elsewhere. Written by atomic add, before such a call is made and after
	// its callback.
	large satomic.Int64

	// drainMu serializes drains: a chunk taken from its slot by one drain is
	// in outstanding before another begins.
	drainMu ssync.Mutex

	mu ssync.Mutex // guards all below

	waiting chunkQueue // for their grace period, in the order of their goals
	ready   chunkQueue // for a worker
	stuck   *chunk     // head of ready at the last check-in

	// All chunks taken in and not finished, in the order of their tickets.
	oldest, newest *chunk
	lastTicket     uint64

	barriers  []barrierWait
	throttled []chan struct{}

	// workers holds the goroutine number of each worker, 0 where there is none;
	// its length is Options.Workers. Written under mu, read by inCallback
	// without.
	workers  []satomic.Uint64
	nWorkers satomic.Int32 // how many there are, or are starting
}

const (
	stopped = iota
	asleep  // until the next check-in, or until a chunk is handed over
	patient // until a chunk is opened or handed over, for one; the next check-in may be far
	awake   // at work, or waiting for a grace period until the next check-in
)

// notify makes sure that the reclaimer learns of a chunk that the caller just
// installed or handed over. It never blocks. That atomic operation comes before the
// load of state here; the reclaimer stores state and then looks at the chunks.
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

// wakeUp is notify for what can't wait for the next check-in: it also
// interrupts a reclaimer that waits for a grace period.
func (r *reclaimer) wakeUp(d *Domain) {
	r.start(d)
	r.sendKick()
}

func (r *reclaimer) start(d *Domain) {
	if r.state.CompareAndSwap(stopped, awake) {
		sched.Go(d.runReclaimer)
	}
}

func (r *reclaimer) sendKick() {
	sched.Wakes()
	select {
	case r.kick <- struct{}{}:
	default: // one is on its way
	}
}

func (d *Domain) runReclaimer() {
	returned := false
	defer func() {
		if !returned { // OnStall ended the goroutine, as testing's FailNow does
			sched.Go(d.runReclaimer)
		}
	}()
	d.reclaimUntilIdle()
	returned = true
}

func (d *Domain) reclaimUntilIdle() {
	r := &d.reclaim
	p := d.newPace()
	defer p.timer.Stop()
	for {
		d.collectIfDue(p)
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

// before tells a test what the reclaimer is about to do.
func (d *Domain) before(what string) {
	if d.opts.before != nil {
		d.opts.before(d, what)
	}
}

// idle reports whether there is nothing for the reclaimer to do, now or at the
// next check-in.
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

// drain seals the open chunk of every processor. When it returns, every call
// that happened before is in the inbox or was there.
//
// The chunks' entries, and what their owners had unlinked before, are visible once the
// slots are revoked; so the goal is taken after that, and covers them. A caller that was
// about to hand its chunk over by itself has done so by then.
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

// intake empties the inbox, commits their goals, and returns the goal to
// wait for next, if any chunk waits.
func (d *Domain) intake() (goal Seq, ok bool) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := r.inbox.takeAll(); c != nil; {
		next := c.next
		r.lastTicket++
		c.ticket = r.lastTicket
		r.addOutstandingLocked(c)
		r.waiting.insert(c)
		d.clk.Commit(c.goal)
		c = next
	}
	if r.waiting.head == nil {
		return 0, false
	}
	return r.waiting.head.goal, true
}

// promote makes chunks ready whose grace period is over, and starts workers for
// them: the first one at once, another for every chunksPerWorker.
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

// chunksPerWorker is how many ready chunks a worker takes on before another is
// started: a goroutine costs about as much as a hundred short callbacks.
const chunksPerWorker = 8

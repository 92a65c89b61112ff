package smr

import (
	"fmt"
	"runtime/debug"
	"slices"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A worker is a goroutine that runs the callbacks of ready chunks until there are none. If a
// callback ends the goroutine, another takes over the same worker.
type worker struct {
	index  int              // in reclaimer.workers
	panics []*CallbackPanic // of the current chunk's callbacks

	// failed is raised once raiseAfter chunks were popped from ready in all: those that were ready.
	failed     *CallbackPanic
	raiseAfter uint64

	// assists says that a goroutine in Assist runs it, until left bytes are run.
	assists bool
	left    int64

	told, ended *chunk // the current one, once Events were told that its callbacks begin, and have returned
}

// A CallbackPanic is the panic of a callback. See [Options.OnPanic].
type CallbackPanic struct {
	Domain string // name of the domain
	Value  any    // the argument of the callback's panic
	Stack  []byte // the callback's stack
}

// Error describes the panic, with the callback's stack.
func (p *CallbackPanic) Error() string {
	return fmt.Sprintf("smr: callback in domain %s panicked: %v\n\n%s", p.Domain, p.Value, p.Stack)
}

// Unwrap returns the panic's value if it is an error, else nil.
func (p *CallbackPanic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// startWorkerLocked starts a worker, or reports false if Options.Workers run already.
func (d *Domain) startWorkerLocked() bool {
	w := d.reclaim.claimWorker(0)
	if w == nil {
		return false
	}
	sched.Go(func() { d.work(w, nil) })
	return true
}

// claimWorker returns a worker, or nil if all run already. first is 0 for a goroutine of the domain,
// and firstAssistant for one in Assist.
func (r *reclaimer) claimWorker(first int) *worker {
	for i := first; i < first+r.firstAssistant(); i++ { // as many of each
		if r.workers[i].CompareAndSwap(0, starting) {
			r.number(i).Add(1)
			return &worker{index: i}
		}
	}
	return nil
}

// firstAssistant is where the half of workers begins that is of goroutines in Assist.
func (r *reclaimer) firstAssistant() int { return len(r.workers) / 2 }

// number returns what counts the worker of that index.
func (r *reclaimer) number(index int) *satomic.Int32 {
	if index < r.firstAssistant() {
		return &r.nWorkers
	}
	return &r.assists.n
}

// busy returns how many goroutines run callbacks, those in Assist included.
func (r *reclaimer) busy() int { return int(r.nWorkers.Load() + r.assists.n.Load()) }

// starting stands in reclaimer.workers until the worker knows its goroutine number.
const starting = ^uint64(0)

// work is a worker's goroutine. It runs c, unless that is nil, and then the ready chunks.
func (d *Domain) work(w *worker, c *chunk) {
	r := &d.reclaim
	if !w.assists {
		d.label()
	}
	r.workers[w.index].Store(goid.Get())

	// If a callback or OnPanic ends the goroutine by runtime.Goexit, as testing's FailNow does,
	// another goroutine continues. So it does if a callback has panicked in Assist.
	returned := false
	defer func() {
		if !returned {
			w.assists = false
			r.workers[w.index].Store(starting) // the caller of Assist is in no callback from here on
			sched.Go(func() { d.work(w, c) })
		}
	}()

	now := d.age()
	r.mu.Lock()
	if c == nil {
		c = r.nextLocked(w)
	}
	for c != nil {
		r.runsLocked(w, c, now)
		r.mu.Unlock()
		if c.held != nil {
			d.parkHeld(c)
		}
		d.callbacksBegin(w, c)
		for c.done < c.n {
			d.runSome(w, c)
			if w.assists && len(w.panics) > 0 {
				return
			}
		}
		for len(w.panics) > 0 && d.opts.OnPanic != nil {
			p := w.panics[0]
			w.panics = w.panics[1:]
			d.opts.OnPanic(p)
		}
		now = d.age()
		d.callbacksEnd(w, c, now)
		r.mu.Lock()
		if len(w.panics) > 0 && w.failed == nil {
			w.failed, w.raiseAfter = w.panics[0], r.ready.popped+uint64(r.ready.n)
		}
		w.panics, w.told, w.ended = nil, nil, nil
		r.callbackTimes.add(now-c.ready, c.n)
		d.finishLocked(c)
		w.left -= max(c.bytes, leastAssisted*int64(c.n))
		c.giveBack()
		c = r.nextLocked(w)
	}
	r.runsLocked(w, nil, 0)
	r.number(w.index).Add(-1)
	r.workers[w.index].Store(0)
	r.mu.Unlock()
	returned = true
	if w.failed != nil {
		panic(w.failed)
	}
}

// nextLocked takes a ready chunk for w, or returns nil: there is none, or w must raise its panic, or
// has assisted enough.
func (r *reclaimer) nextLocked(w *worker) *chunk {
	if w.failed != nil && r.ready.popped >= w.raiseAfter {
		return nil
	}
	if w.assists && w.left <= 0 {
		return nil
	}
	return r.ready.pop()
}

// runsLocked notes what w runs, nil for nothing.
func (r *reclaimer) runsLocked(w *worker, c *chunk, now int64) {
	for len(r.running) <= w.index {
		r.running = append(r.running, nil)
	}
	r.running[w.index] = c
	if c != nil {
		c.since, c.run = now, c.amount()
	}
}

// runSome runs the chunk's remaining callbacks, up to the first panic.
func (d *Domain) runSome(w *worker, c *chunk) {
	defer d.traced(d.labels, "callbacks")()
	defer func() {
		if value := recover(); value != nil {
			w.panics = append(w.panics, &CallbackPanic{d.opts.Name, value, debug.Stack()})
		}
	}()
	for c.done < c.n {
		e := &c.entries[c.done]
		fn, obj := e.fn, e.obj
		*e = entry{}
		c.done++
		given(fn, obj)
		fn(obj)
	}
}

// finishLocked counts a chunk whose callbacks have all returned, and wakes the Barriers and the
// writers in Throttle that waited for it.
func (d *Domain) finishLocked(c *chunk) {
	r := &d.reclaim
	if c.parked {
		r.outParked.remove(c)
	} else {
		r.outstanding.remove(c)
	}
	r.handedOver.Add(-c.bytes) // before freedBytes: see assistDue
	r.freed.Add(uint64(c.n))
	r.freedBytes.Add(uint64(c.bytes))
	if c.large != 0 {
		r.large.Add(-c.large)
	}

	r.barriers = slices.DeleteFunc(r.barriers, func(b barrierWait) bool {
		done := r.passedLocked(b)
		if done {
			sched.Wakes()
			close(b.done)
		}
		return done
	})
	rest := r.outstanding.n+r.outParked.n > int(r.heldCalls.Load()) // each parked call is a chunk
	if state := r.state.Load(); !rest && (state == asleep || state == patient) {
		r.sendKick() // so that it stops now rather than at the next check-in
	}
	if len(r.throttled) == 0 {
		return
	}
	if d.pendingBytes() < d.opts.MaxPending {
		r.wakeThrottledLocked()
	} else if !rest {
		d.Flush() // all that is pending is in open chunks, or held
	}
}

// inCallback reports whether the calling goroutine runs a callback of this domain. It never blocks.
// Cost: two loads while no callback runs, else about a microsecond.
func (d *Domain) inCallback() bool {
	r := &d.reclaim
	if r.busy() == 0 {
		return false
	}
	id := goid.Get()
	for i := range r.workers {
		if r.workers[i].Load() == id {
			return true
		}
	}
	return false
}

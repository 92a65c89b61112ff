package smr

import (
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// Assist lets a writer free what is pending itself. If that is little, Assist returns at once; else
// it polls the readers, and runs callbacks that are ready in the calling goroutine, its own and those
// of others. Call it after each Call: then a flood of calls does not run ahead of the domain's
// goroutines until the scheduler lets these run, and memory is reused while it is still cached. About
// a MiB is pending then, or a fourth of MaxPending if that is less.
//
// Call it where Throttle is allowed: outside sections and locks. A callback that it runs must not
// need a lock that the caller holds, or the goroutine waits for itself. Under -tags invariants Assist
// panics inside a section of this domain, and in a pinned one of any domain.
//
// Assist waits for no reader: what readers hold back stays pending, and only Throttle bounds that. At
// MaxPending it yields the processor, once for some hundred KiB that are called, so that readers which
// were preempted in their sections leave them. It runs about twice as much as was called since
// the last Assist, by whole chunks; a call counts as 16 bytes at least. As many goroutines as
// Options.Workers may assist at once, beside the workers; when there are more, they return. So does
// Assist in a callback of the domain.
//
// A callback's panic goes to OnPanic in a goroutine of the domain, or ends the program, as in a worker; one
// that calls runtime.Goexit ends the caller's goroutine, and a panic of a function of Options.Events is
// the caller's. Where these tell of grace periods, of callbacks or stalls, Assist runs only what the
// domain's own goroutine has made ready.
//
// Cost: a load and a compare while little is pending; else some microseconds and a heavy fence for
// some hundred KiB. Idea: the mutator assist of Go's collector; crossbeam and ck free in the
// thread that retires.
func (d *Domain) Assist() {
	d.checkMayBlock("Assist")
	d.checkMayWait("Assist")
	if d.reclaim.handedOver.Load() >= d.reclaim.assists.from {
		d.assist()
	}
}

// assistAbove bounds what is pending before an Assist. What is freed is still in a second-level cache
// then, and a poll's fence is shared by a thousand objects of 1 KiB.
const assistAbove = 1 << 20

// leastAssisted is how many bytes a call counts for at least.
const leastAssisted = 16

// assists is what the reclaimer knows of Assist.
type assists struct {
	from int64 // bytes handed over from which Assist does something; constant

	// due is the number of bytes handed over since New at which the next one does. Stored by
	// compare-and-swap, loaded by each that finds much pending: so one runs for each half of from.
	due satomic.Int64

	n satomic.Int32 // how many run callbacks; written as nWorkers is
}

// init sets the bounds for an Options.MaxPending.
func (a *assists) init(maxPending int64) {
	a.from = assistAbove
	if maxPending > 0 {
		a.from = max(1, min(assistAbove, maxPending/4))
	}
}

// assist is Assist where much is pending.
func (d *Domain) assist() {
	r := &d.reclaim
	if !r.assistDue() || d.inCallback() { // in this order: while callbacks run, inCallback takes longer
		return
	}
	if w := r.claimWorker(r.firstAssistant()); w != nil {
		d.readyForAssist()
		w.assists, w.left = true, r.assists.from
		d.work(w, nil)
		r.mu.Lock()
		d.startWorkersLocked() // for what it has left
		r.mu.Unlock()
	}
	if limit := d.opts.MaxPending; limit > 0 && d.pendingBytes() >= limit {
		sched.Gosched()
	}
}

// assistDue reports whether an assist is due, and makes the next one due later. It loads what is freed
// first: a chunk that is finished meanwhile counts too little then, not twice.
func (r *reclaimer) assistDue() bool {
	freed := int64(r.freedBytes.Load())
	called := freed + r.handedOver.Load()
	due := r.assists.due.Load()
	return called-due >= 0 && r.assists.due.CompareAndSwap(due, called+max(1, r.assists.from/2))
}

// readyForAssist takes in what is handed over, and makes ready what no reader holds back.
func (d *Domain) readyForAssist() {
	r := &d.reclaim
	r.mu.Lock()
	alone := r.waiting.head == nil // else whoever took that in has woken the reclaimer, or is it
	d.takeInLocked()
	if r.waiting.head == nil { // tail has left then
		r.mu.Unlock()
		return
	}
	goal := r.waiting.tail.goal // the chunk is others' after Unlock
	r.mu.Unlock()
	if d.clk.Poll(goal); d.opts.silent {
		d.makeReady(d.clk.Reached())
	}
	r.mu.Lock()
	rest := r.waiting.head != nil
	r.mu.Unlock()
	if rest && alone {
		// The caller that has handed it over finds the inbox empty, and does not wake a reclaimer
		// that is asleep.
		r.wakeUp(d)
	}
}

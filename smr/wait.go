package smr

import (
	"context"
	"runtime/trace"
	"slices"
)

// Advance moves the domain's clock and returns a goal. Once it is reached, no reader holds what the
// caller unlinked before Advance.
func (d *Domain) Advance() Seq { return d.clk.Advance() }

// DeferredAdvance returns a goal like Advance, without moving the clock. The goal can't be reached
// until something moves the clock that far: Commit, Wait, any Advance, SetSampleSections or Close.
// Cost: a fence, and no write to the line that every reader reads.
func (d *Domain) DeferredAdvance() Seq { return d.clk.DeferredAdvance() }

// Commit moves the clock to a goal of DeferredAdvance. It does nothing if the clock is there
// already, or for any other Seq.
func (d *Domain) Commit(goal Seq) { d.clk.Commit(goal) }

// Poll reports whether every reader has reached goal. It never blocks, and is allowed anywhere. It
// returns false for a goal that is not committed or that this domain never issued.
func (d *Domain) Poll(goal Seq) bool { return d.clk.Poll(goal) }

// Passed is Poll for code that must not touch the domain's channels, such as a function given to
// [runtime.AddCleanup]: that runs outside the testing/synctest bubble that may have made the
// domain. Passed wakes no waiter and does not remember the result. Cost: a scan of all readers for
// each call.
func (d *Domain) Passed(goal Seq) bool { return d.clk.Passed(goal) }

// Wait commits goal if necessary and returns nil once every reader has reached it. It returns
// [ErrSeq] for a goal that this domain never issued, [ErrInCallback] inside a callback of this
// domain, and [ErrClosed] on a closed domain (compare with errors.Is). If ctx ends first, it returns
// an error that wraps ctx.Err() and says what the wait is for: what is pending and open, and the
// oldest reader. Then the grace period continues, and goal can be polled or waited for again.
//
// Wait inside a section of this domain would wait for that section forever. Under -tags invariants
// it panics instead; a goroutine that hands its section to another may then wait only once the other
// has used it (Load, Active or Leave). A Quiescent's section is that goroutine's which has taken it by
// Section; where none has, the mistake is not found.
//
// Wait inside a pinned section of another domain ends the program, unless it need not block: a
// pinned goroutine holds its processor. Under -tags invariants it always does, and says so: see
// [CheckMayBlock]. Leave the pinned section first, or use Enter.
func (d *Domain) Wait(ctx context.Context, goal Seq) error {
	if err := d.mayWait("Wait"); err != nil {
		return err
	}
	if trace.IsEnabled() { // here, too: a wait for what is reached costs little
		defer d.traced(ctx, "Wait")()
	}
	return d.wait(ctx, "Wait", goal)
}

// wait is the clock's Wait, for the method named what.
func (d *Domain) wait(ctx context.Context, what string, goal Seq) error {
	switch err := d.clk.Wait(ctx, goal); err {
	case nil:
		d.stallEnds()
		return nil
	case ErrSeq:
		return d.notIssued(what, goal)
	default:
		return d.gaveUp(what, err, goal)
	}
}

// Synchronize waits for a grace period: it returns nil once every section that was open when it was
// called has been left. It does not wait for callbacks; Barrier does. Nor does it wait for holds. It
// fails like [Domain.Wait].
func (d *Domain) Synchronize(ctx context.Context) error {
	if err := d.mayWait("Synchronize"); err != nil {
		return err
	}
	if trace.IsEnabled() {
		defer d.traced(ctx, "Synchronize")()
	}
	return d.wait(ctx, "Synchronize", d.clk.Advance())
}

// Barrier returns nil once the callback of every Call that happened before it, on any processor,
// has finished; so it waits until their objects are held by no [Hold]. It does not wait for calls
// that callbacks make. It fails like [Domain.Wait]; the callbacks still run.
func (d *Domain) Barrier(ctx context.Context) error {
	if err := d.mayWait("Barrier"); err != nil {
		return err
	}
	defer d.traced(ctx, "Barrier")()
	return d.barrier(ctx, "Barrier", true)
}

// A barrierWait is a Barrier that waits for all chunks up to its ticket.
type barrierWait struct {
	ticket uint64
	held   bool // also for those that were parked
	done   chan struct{}
}

// passedLocked reports whether what b waits for has come.
func (r *reclaimer) passedLocked(b barrierWait) bool {
	return r.outstanding.passed(b.ticket) && (!b.held || r.outParked.passed(b.ticket))
}

// barrier is Barrier, also for Close and its closed domain. what names the method. With held false it
// does not wait for calls that were parked.
func (d *Domain) barrier(ctx context.Context, what string, held bool) error {
	r := &d.reclaim
	d.drain()
	d.intake()
	r.mu.Lock()
	b := barrierWait{ticket: r.lastTicket, held: held}
	if r.passedLocked(b) {
		r.mu.Unlock()
		return nil
	}
	b.done = make(chan struct{})
	r.barriers = append(r.barriers, b)
	r.mu.Unlock()
	r.wakeUp(d)
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	i := slices.Index(r.barriers, b)
	if i < 0 {
		r.mu.Unlock()
		return nil // it was done meanwhile
	}
	r.barriers = slices.Delete(r.barriers, i, i+1)
	goal := r.lastGoalLocked(b.ticket)
	r.mu.Unlock()
	return d.gaveUp(what, ctx.Err(), goal)
}

// Flush expedites all pending calls: their callbacks run as soon as the grace period ends. Flush
// does not wait, and is allowed anywhere.
func (d *Domain) Flush() {
	r := &d.reclaim
	r.flush.Store(true)
	r.wakeUp(d)
}

// checkMayBlock panics if the caller must not block: see [CheckMayBlock].
func (d *Domain) checkMayBlock(what string) {
	if debugging {
		CheckMayBlock("smr: " + what + " of domain " + d.opts.Name)
	}
}

// checkMayWait panics if the caller must not wait for readers: see [Domain.CheckMayWait].
func (d *Domain) checkMayWait(what string) {
	if debugging {
		d.CheckMayWait("smr: " + what)
	}
}

// mayWait returns the error that a wait by this goroutine must fail with, or nil. what names the
// wait in a panic.
func (d *Domain) mayWait(what string) error {
	d.checkMayBlock(what)
	if d.inCallback() {
		return ErrInCallback
	}
	if d.clk.Sealed() {
		return ErrClosed
	}
	d.checkMayWait(what)
	return nil
}

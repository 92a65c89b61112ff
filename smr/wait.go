package smr

import (
	"context"
	"slices"
)

// Advance moves the domain's clock and returns a goal: once it is reached, no
// reader can hold what the caller unlinked before Advance.
func (d *Domain) Advance() Seq { return d.clk.Advance() }

// DeferredAdvance returns a goal as Advance does, without moving the clock. It
// is not reached before somebody commits it: [Domain.Commit], Wait, or an
// Advance by anybody. Cost: a fence, and no write to the line that every reader
// reads.
func (d *Domain) DeferredAdvance() Seq { return d.clk.DeferredAdvance() }

// Commit moves the clock to a goal of DeferredAdvance, unless somebody did so
// already. Anything else has no effect.
func (d *Domain) Commit(goal Seq) { d.clk.Commit(goal) }

// Poll reports whether every reader has reached goal. It never blocks, and may
// be called anywhere. It reports false for a goal that is not committed, and
// for one that this domain never issued.
func (d *Domain) Poll(goal Seq) bool { return d.clk.Poll(goal) }

// Passed is Poll for code that must not touch the domain's channels, such as a
// function given to [runtime.AddCleanup]: that runs outside the testing/synctest
// bubble in which the domain may have been made. It wakes no waiter, and does not
// remember what it found: each call costs a look at every reader.
func (d *Domain) Passed(goal Seq) bool { return d.clk.Passed(goal) }

// Wait returns nil once every reader has reached goal, which it commits if need
// be. It returns [ErrSeq] for a goal that this domain never issued,
// [ErrInCallback] inside a callback of this domain, [ErrClosed] on a closed
// domain, and ctx.Err() when ctx ends first: then the grace period goes on, and
// goal can be polled or waited for again.
//
// It must not be called inside a section of this domain, for which it would
// wait forever. Under -tags invariants that panics, for any section but a
// Quiescent's; a goroutine that hands its section to another must then see the
// other use it (Load, Active or Leave) before it waits.
func (d *Domain) Wait(ctx context.Context, goal Seq) error {
	if err := d.mayWait("Wait"); err != nil {
		return err
	}
	return d.clk.Wait(ctx, goal)
}

// Synchronize returns nil once every section that was open when it was called
// has been left. It fails like [Domain.Wait]. Callbacks need not have run: see
// Barrier.
func (d *Domain) Synchronize(ctx context.Context) error {
	if err := d.mayWait("Synchronize"); err != nil {
		return err
	}
	return d.clk.Wait(ctx, d.clk.Advance())
}

// Barrier returns nil once every callback has finished whose Call happened
// before Barrier, on any processor. It fails like [Domain.Wait]; then the
// callbacks still run. It does not wait for calls that callbacks make.
func (d *Domain) Barrier(ctx context.Context) error {
	if err := d.mayWait("Barrier"); err != nil {
		return err
	}
	return d.barrier(ctx)
}

// barrierWait waits for all tickets up to its own.
type barrierWait struct {
	ticket uint64
	done   chan struct{}
}

func (d *Domain) barrier(ctx context.Context) error {
	r := &d.reclaim
	d.drain()
	d.intake()
	r.mu.Lock()
	if r.oldest == nil {
		r.mu.Unlock()
		return nil
	}
	b := barrierWait{r.lastTicket, make(chan struct{})}
	r.barriers = append(r.barriers, b)
	r.mu.Unlock()
	r.wakeUp(d)
	select {
	case <-b.done:
		return nil
	case <-ctx.Done():
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.barriers = slices.DeleteFunc(r.barriers, func(o barrierWait) bool { return o == b })
	select {
	case <-b.done:
		return nil
	default:
		return ctx.Err()
	}
}

// Flush asks for everything pending to be freed as soon as its grace period can
// end. It does not wait, and may be called anywhere.
func (d *Domain) Flush() {
	r := &d.reclaim
	r.flush.Store(true)
	r.wakeUp(d)
}

// mayWait returns the error that a wait by this goroutine must return, if any.
func (d *Domain) mayWait(what string) error {
	if d.inCallback() {
		return ErrInCallback
	}
	if d.clk.Sealed() {
		return ErrClosed
	}
	d.checkNoOwnSection(what)
	return nil
}

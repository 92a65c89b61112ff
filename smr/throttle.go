package smr

import (
	"context"
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
)

// Throttle waits until fewer than MaxPending bytes are pending. If it has to wait, it expedites
// what is pending. If every writer calls Throttle before each Call, outside its section and its
// locks, the pending bytes exceed MaxPending by at most one Call of each writer. Throttle fails
// like [Domain.Wait]; without a need to wait, only on a closed domain. Close makes all waiting
// writers return ErrClosed. What a [Hold] keeps is pending, too, until it is released.
//
// Cost: a few loads while well below the bound.
func (d *Domain) Throttle(ctx context.Context) error {
	d.checkMayBlock("Throttle")
	d.checkMayWait("Throttle")
	limit := d.opts.MaxPending
	r := &d.reclaim
	// handedOver misses up to two chunks of each slot, neither of them full: the open one, and one
	// that a drain has taken and not counted yet. Slots may be added, so count them after
	// handedOver is read.
	known := r.handedOver.Load()
	slack := 2 * int64(len(d.calls.All())) * int64(d.opts.ChunkBytes)
	few := known+slack < limit && r.large.Load() == 0
	if limit < 0 || few || d.pendingBytes() < limit {
		if d.clk.Sealed() {
			return ErrClosed
		}
		return nil
	}
	if err := d.mayWait("Throttle"); err != nil {
		return err
	}
	defer d.traced(ctx, "Throttle")()
	for {
		wake := make(chan struct{})
		r.mu.Lock()
		r.throttled = append(r.throttled, wake)
		r.mu.Unlock()
		// A Close or a finished chunk that these two checks miss finds wake in the list.
		if d.clk.Sealed() {
			d.unthrottle(wake)
			return ErrClosed
		}
		if d.pendingBytes() < limit {
			d.unthrottle(wake)
			return nil
		}
		d.Flush()
		select {
		case <-wake:
		case <-ctx.Done():
			d.unthrottle(wake)
			return d.throttledOut(ctx.Err())
		}
	}
}

// unthrottle removes wake from the list of waiting writers.
func (d *Domain) unthrottle(wake chan struct{}) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	r.throttled = slices.DeleteFunc(r.throttled, func(o chan struct{}) bool { return o == wake })
}

// wakeThrottledLocked makes every writer in Throttle check again.
func (r *reclaimer) wakeThrottledLocked() {
	for _, wake := range r.throttled {
		sched.Wakes()
		close(wake)
	}
	r.throttled = nil
}

package smr

import (
	"context"
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
)

// Throttle waits until fewer than MaxPending bytes are pending. If it has to wait, it
// expedites what is pending. If every writer calls Throttle before each Call, outside its
// section and its locks, the bytes pending exceed MaxPending by at most one Call of each
// writer. Throttle fails like [Domain.Wait]; if there is no need to wait, only on a closed
// domain. Close makes all waiting writers return ErrClosed.
//
// Cost: a few loads while well below the bound.
func (d *Domain) Throttle(ctx context.Context) error {
	limit := d.opts.MaxPending
	r := &d.reclaim
	// handedOver misses up to two chunks of each slot, neither of them full: the open one,
	// and one that a drain has taken and not counted yet. The slots are read after
	// handedOver, since more may appear.
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
	for {
		wake := make(chan struct{})
		r.mu.Lock()
		r.throttled = append(r.throttled, wake)
		r.mu.Unlock()
		if d.pendingBytes() < limit {
			d.unthrottle(wake)
			return nil
		}
		if d.clk.Sealed() { // else Close finds wake in the list
			d.unthrottle(wake)
			return ErrClosed
		}
		d.Flush()
		select {
		case <-wake:
			if d.clk.Sealed() {
				return ErrClosed
			}
			if d.pendingBytes() < limit {
				return nil
			}
		case <-ctx.Done():
			d.unthrottle(wake)
			return ctx.Err()
		}
	}
}

// unthrottle takes wake out of the list of waiting writers.
func (d *Domain) unthrottle(wake chan struct{}) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	r.throttled = slices.DeleteFunc(r.throttled, func(o chan struct{}) bool { return o == wake })
}

// wakeThrottledLocked makes every writer that waits in Throttle check again.
func (r *reclaimer) wakeThrottledLocked() {
	for _, wake := range r.throttled {
		sched.Wakes()
		close(wake)
	}
	r.throttled = nil
}

// wakeThrottled is called by Close after it has sealed the domain. The last chunk to finish
// may wake no writer: calls that are about to be refused are counted for a moment, and keep
// the pending bytes above the bound.
func (d *Domain) wakeThrottled() {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeThrottledLocked()
}

package smr

import (
	"context"
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
)

// Throttle returns nil when fewer than MaxPending bytes wait to be freed, and
// until then expedites and waits. If every writer calls it before each Call,
// outside its section and locks, the bytes pending never exceed MaxPending by
// more than one Call of each writer. It fails like [Domain.Wait]; when there is
// no need to wait, only on a closed domain. Close, as it begins, ends the wait of
// every writer with ErrClosed.
//
// Cost: some loads while well below the bound.
func (d *Domain) Throttle(ctx context.Context) error {
	limit := d.opts.MaxPending
	r := &d.reclaim
	// Each slot may hold one chunk that is open and one that a drain has taken
	// and not counted yet. The slots are read second: more may have come.
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

func (d *Domain) unthrottle(wake chan struct{}) {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	r.throttled = slices.DeleteFunc(r.throttled, func(o chan struct{}) bool { return o == wake })
}

// wakeThrottledLocked makes every writer that waits in Throttle look again.
func (r *reclaimer) wakeThrottledLocked() {
	for _, wake := range r.throttled {
		sched.Wakes()
		close(wake)
	}
	r.throttled = nil
}

// wakeThrottled is for Close, which has sealed the domain. The last chunk that
// finishes may not do: it wakes nobody while calls that are being refused, and
// counted meanwhile, keep PendingBytes up.
func (d *Domain) wakeThrottled() {
	r := &d.reclaim
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wakeThrottledLocked()
}

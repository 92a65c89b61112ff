package slab

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// ErrClosed is wrapped by the errors of allocations from a closed pool. What is in use then may
// still be given back: a second Close gives its memory back.
// [errors.Is] takes it for [smr.ErrClosed], too.
var ErrClosed error = closedError{}

type closedError struct{}

func (closedError) Error() string { return "the pool is closed" }

func (closedError) Is(target error) bool { return target == smr.ErrClosed }

// A closing is a Close of stores of one domain.
type closing struct {
	ctx    context.Context
	d      *smr.Domain
	stores []*store
	large  *blocks // of Blocks, nil for a Pool
	unread bool    // no reader is left, nor will there be
}

// wait waits for callbacks, but for those that holds have held up; or for the end of a domain that
// another goroutine closes, or has closed.
func (c *closing) wait() error {
	err := held.Of(c.d).Barrier(c.ctx)
	if errors.Is(err, smr.ErrClosed) {
		err = c.d.Close(c.ctx) // readers may be left: an earlier Close's ctx may have ended
		c.unread = err == nil
	}
	return err
}

// waitForHolds waits until nothing of the stores is held, whatever else is.
func (c *closing) waitForHolds() error {
	event := c.stores[0].freed
	defer event.tell() // the drop of a pool must find no channel: it may be one of a testing/synctest bubble
	for !c.unread {
		freed := event.await()
		if !c.pending() {
			break
		}
		// The domain may be closed, and what was retired then waits for a poll.
		if err := c.wait(); err != nil || c.unread {
			return err
		}
		select {
		case <-freed:
		case <-c.ctx.Done():
			return c.gaveUp()
		}
	}
	return nil
}

// pending reports whether anything is retired, and not free yet.
func (c *closing) pending() bool {
	return c.large.pending() || slices.ContainsFunc(c.stores, func(s *store) bool { return s.stats().Pending > 0 })
}

// gaveUp returns the error of a wait for holds whose context has ended.
func (c *closing) gaveUp() error {
	err := c.d.Barrier(c.ctx) // which says what is held
	if !errors.Is(err, c.ctx.Err()) {
		err = c.ctx.Err()
	}
	return fmt.Errorf("slab: Close waits for the Release of what was retired: %w", err)
}

// seal lets nothing out any more.
func (c *closing) seal() {
	for _, s := range c.stores {
		s.depot.close()
		s.heap.close()
		s.samples.seal()
		s.caches.Seal()
		s.policy.trim(trimCaches)
	}
	if c.large != nil {
		c.large.seal()
	}
}

// trim gives back what no reader can hold. That the domain is closed does not say so: its Close may
// only have begun.
func (c *closing) trim() {
	for _, s := range c.stores {
		if c.unread { // reached may not come
			s.depot.readyAll()
		}
		s.policy.trim(trimAll)
	}
}

// closeStores is Pool.Close of stores of one domain, but for the samples' addresses. It waits for large
// blocks, too, unless large is nil.
func closeStores(ctx context.Context, d *smr.Domain, large *blocks, stores ...*store) error {
	d.CheckMayWait("slab: Close")
	bury()
	c := &closing{ctx: ctx, d: d, stores: stores, large: large}
	if err := c.wait(); err != nil { // inside a callback nothing is closed
		return err
	}
	c.seal()
	if err := c.wait(); err != nil {
		return err
	}
	c.trim()
	if err := c.waitForHolds(); err != nil {
		return err
	}
	c.trim()
	if err := c.wait(); err != nil { // slabs may have waited once more
		return err
	}
	c.trim()
	var errs []error
	for _, s := range stores {
		s.budget.leave(s)
		n, where := s.samples.leaks(s)
		if n += s.heap.counts().taken; n == 0 {
			continue
		}
		if invariants.Enabled {
			where = s.check.leaks()
		}
		errs = append(errs, fmt.Errorf("slab: Close of %s: %d objects were not given back%s", s.name, n, where))
	}
	return errors.Join(errs...)
}

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

// wait waits for callbacks, or for the end of a domain that another goroutine closes, or has closed.
// For holds it waits only if something of the stores is held.
func (c *closing) wait() error {
	return c.orDomain(held.Of(c.d).Barrier(c.ctx))
}

func (c *closing) waitForHolds() error {
	pending := func(s *store) bool { return s.stats().Pending > 0 }
	if c.large.pending() || slices.ContainsFunc(c.stores, pending) {
		return c.orDomain(c.d.Barrier(c.ctx))
	}
	return nil
}

// orDomain goes on where a Barrier has returned err.
func (c *closing) orDomain(err error) error {
	if errors.Is(err, smr.ErrClosed) {
		err = c.d.Close(c.ctx) // readers may be left: an earlier Close's ctx may have ended
		c.unread = err == nil
	}
	return err
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
	if err := c.wait(); err != nil { // slabs may have waited once more
		return err
	}
	c.trim()
	if err := c.waitForHolds(); err != nil {
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

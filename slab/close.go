package slab

import (
	"context"
	"errors"
	"fmt"

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

// closeStores is Pool.Close of stores of one domain.
func closeStores(ctx context.Context, d *smr.Domain, stores ...*store) error {
	bury()
	wait := func() error {
		err := d.Barrier(ctx)
		if errors.Is(err, smr.ErrClosed) {
			err = d.Close(ctx) // readers may be left: an earlier Close's ctx may have ended
		}
		return err
	}
	if err := wait(); err != nil { // inside a callback nothing is closed
		return err
	}
	for _, s := range stores {
		s.depot.close()
		s.heap.close()
		s.caches.Seal()
		s.policy.trim(trimCaches)
	}
	if err := wait(); err != nil {
		return err
	}
	for _, s := range stores {
		if d.Closed() { // wait has closed it, so no reader is left; reached may not come
			s.depot.readyAll()
		}
		s.policy.trim(trimAll)
	}
	if err := wait(); err != nil { // slabs may have waited once more
		return err
	}
	var errs []error
	for _, s := range stores {
		s.policy.trim(trimAll)
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
	stores[0].samples.close()
	return errors.Join(errs...)
}

//go:build smr_sched

package slab

import (
	"context"
	"errors"
	"testing"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A holder counts who has an object.
type holder struct {
	x    *sched.Exec
	held map[any]bool
}

func newHolder(x *sched.Exec) *holder { return &holder{x, make(map[any]bool)} }

func (h *holder) took(obj any) {
	if h.held[obj] {
		h.x.Fail("%p is given out twice", obj)
	}
	h.held[obj] = true
}

// gives comes before the object is given back.
func (h *holder) gives(obj any) { delete(h.held, obj) }

// closePool closes a pool and its domain, when nothing is in use.
func closePool(x *sched.Exec, d *smr.Domain, pools ...interface{ Close(context.Context) error }) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	for _, p := range pools {
		if err := p.Close(ctx); err != nil {
			x.Fail("%v", err)
		}
	}
	if err := d.Close(ctx); err != nil {
		x.Fail("%v", err)
	}
}

// Two processors retire a magazine each to one pool, and get objects of it: an object that one has
// retired may be the other's, but is one's at a time, and none is lost on the way.
func TestSchedules_HandOver(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 10_000, Procs: 3}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		p := New[page](d, Options{Budget: new(Budget)})
		p.s.capacity = 1
		h := newHolder(x)
		objs := getAll(t, p, p.s.perSlab)
		p.s.budget.SetLimit(p.s.budget.Used())
		var full [2]*magazine
		for i := range full {
			full[i] = new(magazine)
			full[i].push(unsafe.Pointer(objs[i]))
			p.s.uncached.retires.Add(1)
		}
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() {
				p.s.depot.retire(full[i])
				if obj, err := p.Get(); err == nil {
					h.took(obj)
					sched.Plain()
					h.gives(obj)
					p.Free(obj)
				} else if !errors.Is(err, ErrNoMemory) {
					x.Fail("Get: %v", err)
				}
			})
		}
		return func() {
			freeAll(p, objs[2:])
			closePool(x, d, p)
			if n := p.s.budget.Used(); n != 0 {
				x.Fail("%d bytes are used in the end", n)
			}
		}
	})
}

// A pool that has no memory takes what another one of its budget has free, whose user gets and
// frees meanwhile: what that one holds stays.
func TestSchedules_ReclaimAgainstGet(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 10_000}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		budget := new(Budget)
		rich := New[page](d, Options{Budget: budget, PrivateFree: true})
		poor := New[page](d, Options{Budget: budget, PrivateFree: true})
		rich.Free(mustGet(rich))
		budget.SetLimit(budget.Used())
		x.Go("user", 0, func() {
			for range 2 {
				obj, err := rich.Get()
				if err != nil {
					if !errors.Is(err, ErrNoMemory) {
						x.Fail("Get: %v", err)
					}
					continue
				}
				obj[0] = 1
				sched.Plain()
				if obj[0] != 1 { // or a fault, if the slab is gone
					x.Fail("an object is given back to the system in use")
				}
				obj[0] = 0
				rich.Free(obj)
			}
		})
		x.Go("reclaims", 1, func() {
			obj, err := poor.Get()
			if used := budget.Used(); used > budget.Limit() {
				x.Fail("%d bytes are used, of %d", used, budget.Limit())
			}
			switch {
			case err == nil:
				poor.Free(obj)
			case !errors.Is(err, ErrNoMemory):
				x.Fail("Get: %v", err)
			}
		})
		return func() {
			closePool(x, d, rich, poor)
			if n := budget.Used(); n != 0 {
				x.Fail("%d bytes are used in the end", n)
			}
		}
	})
}

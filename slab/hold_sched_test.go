//go:build smr_sched

package slab

import (
	"context"
	"strings"
	"testing"
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A tenant is an object of a pool, and says what it is used for. It is as large as a page, so that a
// slab has few.
type tenant struct {
	use relacq.Uint64
	_   [4000]byte
}

// tenants returns a pool without a free object, and its objects, for use 1.
func tenants(t *testing.T, x *sched.Exec) (*smr.Domain, *Pool[tenant], []*tenant) {
	d, err := smr.New(smr.Options{Workers: 1})
	if err != nil {
		x.Fail("New: %v", err)
	}
	p := New[tenant](d, Options{})
	p.s.capacity = 1 // a magazine for each object
	all := getAll(t, p, p.s.perSlab)
	for _, obj := range all {
		obj.use.Store(1)
	}
	return d, p, all
}

// readTenant holds what it finds, if anything, and uses it after the section.
func readTenant(x *sched.Exec, d *smr.Domain, from *smr.Pointer[tenant]) {
	s := d.Enter()
	found := from.Load(s)
	if found == nil {
		s.Leave()
		return
	}
	h := smr.Hold(s, found)
	s.Leave()
	for range 2 {
		if found.use.Load() != 1 {
			x.Fail("what is held has another use")
		}
	}
	h.Release()
}

// evictTenant retires what is in from, and uses what is free then, as a Get would.
func evictTenant(p *Pool[tenant], from *smr.Pointer[tenant]) {
	old := from.LoadSerialized()
	from.Store(nil)
	m := new(magazine) // full, or Retire would keep it in the cache
	m.push(unsafe.Pointer(old))
	p.s.uncached.retires.Add(1)
	p.s.depot.retire(m)
	if m := p.s.take(true); m != nil {
		for _, obj := range m.objs[:m.n] {
			(*tenant)(obj).use.Store(2)
		}
		p.s.keep(m)
	}
}

// A reader holds what a writer retires, and uses it after its section: neither a poll of the readers
// nor a callback has it given out again before the Release, and then it is free.
func TestSchedules_HoldAgainstReuse(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 20_000}, func(x *sched.Exec) func() {
		d, p, all := tenants(t, x)
		var current smr.Pointer[tenant]
		current.Init(all[0])
		x.Go("reader", 0, func() { readTenant(x, d, &current) })
		x.Go("writer", 1, func() { evictTenant(p, &current) })
		return func() {
			freeAll(p, all[1:])
			closePool(x, d, p)
		}
	})
}

// A pool is closed while one of its objects is held, and released: it returns after that, with all
// memory given back.
func TestSchedules_ReleaseAgainstPoolClose(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 10_000}, func(x *sched.Exec) func() {
		d, p, all := tenants(t, x)
		s := d.Enter()
		h := smr.Hold(s, all[0])
		s.Leave()
		freeAll(p, all[1:])
		p.Retire(all[0])
		released := false
		x.Go("holder", 0, func() {
			if all[0].use.Load() != 1 {
				x.Fail("what is held has another use")
			}
			released = true
			h.Release()
		})
		x.Go("closer", 1, func() {
			if err := p.Close(context.Background()); err != nil {
				x.Fail("%v", err)
			}
			if !released {
				x.Fail("closed while an object is held")
			}
			if n := p.Stats().ReservedBytes; n != 0 {
				x.Fail("%d bytes are left", n)
			}
		})
		return func() { closePool(x, d, p) }
	})
}

// A Retire is under way, on a processor whose cache is empty, while Close waits for a hold: Close finds
// what it retired as well, and returns.
func TestSchedules_RetireAgainstPoolClose(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 10_000}, func(x *sched.Exec) func() {
		d, p, all := tenants(t, x)
		s := d.Enter()
		h := smr.Hold(s, all[0])
		s.Leave()
		freeAll(p, all[2:])
		p.Retire(all[0])
		p.Trim()
		x.Go("retirer", 0, func() { p.Retire(all[1]) })
		x.Go("holder", 0, h.Release)
		x.Go("closer", 1, func() {
			if err := p.Close(context.Background()); err != nil && !strings.Contains(err.Error(), "not given back") {
				x.Fail("%v", err)
			}
		})
		return func() { closePool(x, d, p) }
	})
}

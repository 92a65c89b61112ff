//go:build smr_sched

package stw

import (
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
)

// reservation returns one with an area of a page, and what releases it at the end.
func (st *stage) reservation() (r *Reservation, release func()) {
	r, err := st.w.NewReservation(areaPage)
	if err != nil {
		st.x.Fail("NewReservation: %v", err)
	}
	return r, func() {
		d, err := st.w.Register()
		if err != nil {
			st.x.Fail("Register: %v", err)
		}
		r.Release(d)
		d.Deregister()
	}
}

// allocate has d allocate and use memory between two safe points.
func (st *stage) allocate(r *Reservation, d *Domain) {
	var all [2][]byte
	for i := range all {
		b, err := r.Alloc(d, 100)
		if err != nil {
			st.x.Fail("Alloc: %v", err)
		}
		b[0] = byte(i)
		all[i] = b
		st.look.Load()
		for j, b := range all[:i+1] {
			if b[0] != byte(j) {
				st.x.Fail("what %v allocated has changed", d)
			}
		}
	}
}

// Two domains grow the areas: the larger size stays, and what is allocated afterwards does, too.
func TestSchedules_GrowAgainstGrow(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		r, release := st.reservation()
		moves := 0
		for i, name := range []string{"less", "more"} {
			st.domain(name, i, func(d *Domain) {
				size := (2 + i) * areaPage
				if err := r.GrowTo(d, size, func(p *Domain, _ *Stop) {
					if p == d {
						moves++
					}
				}); err != nil {
					x.Fail("GrowTo: %v", err)
				}
				if r.Area() < size {
					x.Fail("an area has %d bytes, want %d", r.Area(), size)
				}
				st.allocate(r, d)
			})
		}
		return func() {
			if r.Area() != 3*areaPage || moves < 1 || moves > 2 {
				x.Fail("after %d moves an area has %d pages, want 3", moves, r.Area()/areaPage)
			}
			release()
		}
	})
}

// The areas are emptied while domains come, allocate and end, one after the other in the same slot.
func TestSchedules_ResetAgainstEnd(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 12_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		r, release := st.reservation()
		st.domain("resets", 0, func(d *Domain) {
			st.allocate(r, d)
			if err := r.Reset(d, nil); err != nil {
				x.Fail("Reset: %v", err)
			}
			st.allocate(r, d)
		})
		x.Go("come and go", 1, func() {
			for range 2 {
				d, err := st.w.Register()
				if err != nil {
					x.Fail("Register: %v", err)
				}
				st.allocate(r, d)
				d.Poll()
				d.Deregister()
			}
		})
		return release
	})
}

//go:build smr_sched

package slab

import (
	"context"
	"testing"
	"time"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// Retiring does not block in a pinned section (the scheduler reports it if it does), and what
// was retired comes back.
func TestSchedules_RetireInPinnedSection(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 20_000}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		p := New[flat](d, Options{})
		p.s.capacity = 1 // a magazine for each object
		objs := getAll(t, p, 3)
		x.Go("retire", 0, func() {
			s := d.Pin()
			for _, obj := range objs {
				p.Retire(obj)
			}
			s.Leave()
		})
		x.Go("take", 1, func() {
			for range 2 {
				if m := p.s.take(true); m != nil {
					p.s.keep(m)
				}
			}
		})
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			if err := p.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
			if err := d.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
		}
	})
}

// A magazine becomes free by the call that its retirement makes, however early that comes.
func TestSchedules_RetireAgainstItsCall(t *testing.T) {
	sched.Explore(t, sched.Options{Unlocks: true, Schedules: 5_000}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		p := New[flat](d, Options{})
		s := p.s
		m := magazines(t, s, 1)[0]
		x.Go("retire", 0, func() { s.depot.retire(m) })
		x.Go("flush", 1, func() { d.Flush() })
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			if err := d.Barrier(ctx); err != nil {
				x.Fail("%v", err)
			}
			if n := p.Stats().Pending; n > 0 {
				x.Fail("%d objects are pending, and no call is to come", n)
			}
			if err := p.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
			if err := d.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
		}
	})
}

// A slab that becomes empty while shrink runs goes back: shrink counts it, or the next comes.
func TestSchedules_ShrinkAgainstPut(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 5_000, Walks: 500, Bound: 3}, func(x *sched.Exec) func() {
		d, err := smr.New(smr.Options{Workers: 1})
		if err != nil {
			x.Fail("New: %v", err)
		}
		p := New[page](d, Options{PrivateFree: true})
		s := p.s
		var all []*magazine
		for range 3 {
			if err := s.growBy(s.slabSize, nil); err != nil {
				x.Fail("growBy: %v", err)
			}
			m := new(magazine)
			s.heap.fill(m)
			all = append(all, m)
		}
		s.toHeap(all[0]) // an empty slab, which is kept
		s.policy.called.Set(true)
		x.Go("shrink", 0, s.policy.shrink)
		x.Go("put", 1, func() {
			s.toHeap(all[1]) // another, which is not
		})
		return func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
			defer cancel()
			for range 6 {
				if err := d.Barrier(ctx); err != nil {
					x.Fail("%v", err)
				}
			}
			if n := s.heap.counts().empty; n > 1 {
				x.Fail("%d slabs are empty, and no call is to come", n)
			}
			s.toHeap(all[2])
			if err := p.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
			if err := d.Close(ctx); err != nil {
				x.Fail("%v", err)
			}
		}
	})
}

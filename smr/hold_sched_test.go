//go:build smr_sched

package smr

import (
	"context"
	"testing"
	"unsafe"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
)

// A schedTarget says whether it was freed. look is a point in each look at that.
type schedTarget struct {
	freed bool
	look  relacq.Uint64
}

func (o *schedTarget) use(x *sched.Exec, what string) {
	for range 2 {
		if o.freed {
			x.Fail("%s is freed", what)
		}
		o.look.Load()
	}
}

// A reader holds what it finds and leaves its section; a writer retires it meanwhile. It is freed
// after the Release, without a check-in.
func TestSchedules_HoldAgainstDrain(t *testing.T) {
	eachFence(t, func(t *testing.T, fenced bool) {
		sched.Explore(t, sched.Options{Schedules: 10_000}, func(x *sched.Exec) func() {
			d := schedDomain(x, fenced)
			var p Pointer[schedTarget]
			target := new(schedTarget)
			p.Init(target)
			x.Go("reader", 0, func() {
				s := d.Enter()
				o := p.Load(s)
				if o == nil {
					s.Leave()
					return
				}
				h := Hold(s, o)
				s.Leave()
				o.use(x, "what a reader holds")
				h.Release()
			})
			x.Go("writer", 1, func() {
				p.Store(nil)
				Call(d, target, Expedite, func(o *schedTarget) { o.freed = true })
			})
			return func() {
				if !target.freed {
					x.Fail("what nothing holds is not freed")
				}
				closed(x, d, nil)()
			}
		})
	})
}

// What is noted as held for one goal is not taken for what is held of a later one's objects. Two ask
// at once, as pools do that poll the readers: one after the reader's hold, the other before it.
func TestSchedules_HoldAgainstKnown(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		var p Pointer[schedTarget]
		target := new(schedTarget)
		p.Init(target)
		s := d.Enter()
		Hold(s, new(schedTarget)).Release() // or there are no slots
		s.Leave()
		x.Go("reader", 0, func() {
			s := d.Enter()
			o := p.Load(s)
			if o == nil {
				s.Leave()
				return
			}
			h := Hold(s, o)
			s.Leave()
			o.use(x, "what a reader holds")
			h.Release()
		})
		x.Go("earlier", 1, func() { d.heldOf(d.clk.Reached()) })
		x.Go("later", 2, func() {
			p.Store(nil)
			goal := d.Advance()
			if d.Poll(goal) && !d.heldOf(goal).Has(uintptr(unsafe.Pointer(target))) {
				target.freed = true
			}
		})
		return closed(x, d, nil)
	})
}

// The same, where the object is held, retired, and its goal reached while the other one looks.
func TestSchedules_HoldAgainstNote(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		target := new(schedTarget)
		s := d.Enter()
		Hold(s, new(schedTarget)).Release() // or there are no slots
		s.Leave()
		x.Go("earlier", 0, func() { d.heldOf(d.clk.Reached()) })
		x.Go("later", 1, func() {
			s := d.Enter()
			h := Hold(s, target)
			s.Leave()
			goal := d.Advance()
			if d.Poll(goal) && !d.heldOf(goal).Has(uintptr(unsafe.Pointer(target))) {
				x.Fail("what is held is not seen")
			}
			h.Release()
		})
		return closed(x, d, nil)
	})
}

// Two holds of one object are released while its call is parked: it is freed after both, and at
// once.
func TestSchedules_ReleaseAgainstPark(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 2)
		target := new(schedTarget)
		s := d.Enter()
		holds := []Held[schedTarget]{Hold(s, target), Hold(s, target)}
		s.Leave()
		for i, name := range []string{"one", "other"} {
			x.Go(name, i, func() {
				target.use(x, "what is held twice")
				holds[i].Release()
			})
		}
		x.Go("writer", 2, func() {
			Call(d, target, Expedite, func(o *schedTarget) { o.freed = true })
		})
		return func() {
			if !target.freed {
				x.Fail("what nothing holds is not freed")
			}
			closed(x, d, nil)()
		}
	})
}

// A hold is cloned and released while the object's call is parked: the clone holds it. The hold is in
// the last slot of a search: a clone in the next free one would be passed before it is there.
func TestSchedules_CloneAgainstPark(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 2)
		asReclaimer(d)
		target := new(schedTarget)
		s := d.Enter()
		var others []Held[schedTarget]
		for range firstHolds - 2 { // the first one is in the second slot
			others = append(others, Hold(s, new(schedTarget)))
		}
		h := Hold(s, target)
		s.Leave()
		for _, o := range others {
			o.Release()
		}
		Call(d, target, 1, func(o *schedTarget) { o.freed = true })
		d.drain()
		goal, _ := d.intake()
		d.Poll(goal)
		x.Go("holder", 0, func() {
			clone := h.Clone()
			h.Release()
			target.use(x, "what a clone holds")
			clone.Release()
		})
		x.Go("reclaimer", 1, d.promote)
		return func() {
			d.reclaim.state.Store(stopped)
			d.reclaim.wakeUp(d)
			closed(x, d, nil)()
			if !target.freed {
				x.Fail("what nothing holds is not freed")
			}
		}
	})
}

// A slot is taken again, for another object, while the reclaimer parks what it held before.
func TestSchedules_RetakeAgainstPark(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 2)
		first, second := new(schedTarget), new(schedTarget)
		s := d.Enter()
		h := Hold(s, first)
		s.Leave()
		var later Held[schedTarget]
		x.Go("holder", 0, func() {
			first.use(x, "what is held")
			h.Release()
			s := d.Enter()
			later = Hold(s, second)
			s.Leave()
		})
		x.Go("writer", 1, func() {
			Call(d, first, Expedite, func(o *schedTarget) { o.freed = true })
		})
		return func() {
			if !first.freed {
				x.Fail("what nothing holds is not freed")
			}
			later.Release()
			closed(x, d, nil)()
		}
	})
}

// A slot for which a parked object waits is released, taken for another one, which is retired too,
// and released again, while the reclaimer takes in the first release: both are freed.
func TestSchedules_RetakeAgainstUnpark(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedUrgent(x, 2)
		asReclaimer(d)
		targets := make([]schedTarget, 3)
		s := d.Enter()
		h, other := Hold(s, &targets[0]), Hold(s, &targets[1])
		slot := h.slot
		s.Leave()
		park := func(o *schedTarget) {
			r := &d.reclaim
			c := &chunk{
				n:       1,
				entries: []entry{{func(p unsafe.Pointer) { (*schedTarget)(p).freed = true }, unsafe.Pointer(o)}},
				held:    held.NewSet([]uintptr{uintptr(unsafe.Pointer(o))}),
			}
			r.called.Add(1)
			r.mu.Lock()
			r.outstanding.add(c)
			r.mu.Unlock()
			d.parkHeld(c)
			r.mu.Lock()
			d.finishLocked(c)
			r.mu.Unlock()
		}
		park(&targets[0])
		park(&targets[1])
		x.Go("holder", 0, func() {
			h.Release()
			h2 := Held[schedTarget]{obj: &targets[2], slot: slot}
			gen, ok := slot.take(uintptr(unsafe.Pointer(&targets[2])))
			if !ok {
				x.Fail("a released slot is taken")
				return
			}
			h2.gen = gen
			park(&targets[2])
			targets[2].use(x, "what is held")
			h2.Release()
		})
		x.Go("other", 1, other.Release)
		x.Go("reclaimer", 2, d.unpark)
		return func() {
			d.reclaim.state.Store(stopped)
			d.reclaim.wakeUp(d)
			closed(x, d, nil)()
			for i := range targets {
				if !targets[i].freed {
					x.Fail("what nothing holds is not freed")
				}
			}
		}
	})
}

// Two on one processor, or stripe, hold at once, also where a third hold is released: each gets a slot
// of its own.
func TestSchedules_HoldAgainstHold(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 10_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		targets := make([]schedTarget, 3)
		holds := make([]Held[schedTarget], 3)
		s := d.Enter()
		holds[2] = Hold(s, &targets[2])
		for i, name := range []string{"one", "other"} {
			x.Go(name, 0, func() { holds[i] = Hold(s, &targets[i]) })
		}
		x.Go("third", 1, holds[2].Release)
		return func() {
			if holds[0].slot == holds[1].slot {
				x.Fail("two holds have one slot")
				return
			}
			set := d.heldNow()
			for i := range targets[:2] {
				if !set.Has(uintptr(unsafe.Pointer(&targets[i]))) {
					x.Fail("what is held is not seen")
				}
				holds[i].Release()
			}
			s.Leave()
			closed(x, d, nil)()
		}
	})
}

// Two on one processor, or stripe, find all its slots taken, and add some: neither's are lost.
func TestSchedules_GrowAgainstGrow(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 10_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		targets := make([]schedTarget, firstHolds+2)
		holds := make([]Held[schedTarget], len(targets))
		s := d.Enter()
		for i := range firstHolds {
			holds[i] = Hold(s, &targets[i])
		}
		for i, name := range []string{"one", "other"} {
			i += firstHolds
			x.Go(name, 0, func() { holds[i] = Hold(s, &targets[i]) })
		}
		return func() {
			set := d.heldNow()
			for i := range targets {
				if !set.Has(uintptr(unsafe.Pointer(&targets[i]))) {
					x.Fail("what is held is not seen")
				}
			}
			for _, h := range holds {
				h.Release()
			}
			s.Leave()
			closed(x, d, nil)()
		}
	})
}

// Close returns when the last hold is released, and not before.
func TestSchedules_HoldAgainstClose(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 20_000}, func(x *sched.Exec) func() {
		d := schedDomain(x, false)
		target := new(schedTarget)
		x.Go("holder", 0, func() {
			defer func() { recover() }() // "section entered on closed domain"
			s := d.Enter()
			h := Hold(s, target)
			s.Leave()
			h.Release()
		})
		x.Go("closer", 1, func() {
			if err := d.Close(context.Background()); err != nil {
				x.Fail("Close: %v", err)
			}
			if n := d.holdCensus(); n != 0 {
				x.Fail("Close returns while %d are held", n)
			}
		})
		return nil
	})
}

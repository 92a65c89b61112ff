//go:build smr_sched

package stw

import (
	"context"
	"errors"
	"testing"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/smr"
)

// What follows are small programs that package sched runs under every schedule up to
// a bound.

// A stage is a world with what its domains do, and checks it. Words that are not
// atomic are written by whoever acts for the domain.
type stage struct {
	x    *sched.Exec
	w    *World
	look relacq.Uint64 // a word to load, so that there is a point

	user     [4]bool // by slot: the domain runs code of its user's
	handling [4]bool // and somebody a handler for it
	held     [4]int  // so often it is suspended
	stops    int     // sections whose handlers have begun and not ended
}

func newStage(x *sched.Exec, o Options) *stage {
	if o.Max == 0 {
		o.Max = 4
	}
	o.StallAfter = -1 // a timer would let a sleeper that nothing wakes pass for one that waits
	w, err := NewWorld(o)
	if err != nil {
		x.Fail("NewWorld: %v", err)
	}
	return &stage{x: x, w: w}
}

// domain runs fn as a domain, on a processor of its own.
func (st *stage) domain(name string, proc int, fn func(d *Domain)) {
	st.x.Go(name, proc, func() {
		d, err := st.w.Register()
		if err != nil {
			st.x.Fail("Register: %v", err)
		}
		fn(d)
		d.Deregister()
	})
}

// begun returns a domain that runs.
func (st *stage) begun() *Domain {
	d, err := st.w.newDomain(byDeregister)
	if err != nil {
		st.x.Fail("newDomain: %v", err)
	}
	d.begin()
	return d
}

// code is code of the user's.
func (st *stage) code(d *Domain) {
	st.user[d.slot] = true
	for range 2 {
		if st.handling[d.slot] || st.held[d.slot] > 0 {
			st.x.Fail("%v runs while a handler is run for it, or suspended", d)
		}
		st.look.Load()
	}
	st.user[d.slot] = false
}

// stopped is called when nobody can have left s.
func (st *stage) stopped(s *Stop) {
	for _, p := range s.Participants() {
		if st.user[p.slot] {
			st.x.Fail("%v runs while the world is stopped", p)
		}
	}
}

// handler returns one for a stop, and what counts how often it was run.
func (st *stage) handler() (h Handler, ran *int) {
	ran = new(int)
	begun := false
	return func(d *Domain, s *Stop) {
		if !begun {
			if begun = true; st.stops != 0 {
				st.x.Fail("a stop begins before the last one has ended")
			}
			st.stops = len(s.Participants())
		}
		if st.handling[d.slot] || st.user[d.slot] {
			st.x.Fail("a handler runs for %v while it runs itself", d)
		}
		st.handling[d.slot] = true
		st.stopped(s)
		st.look.Load()
		s.Barrier(func() { st.stopped(s) })
		st.look.Load()
		st.handling[d.slot] = false
		*ran++
		st.stops--
	}, ran
}

// stop has d lead one.
func (st *stage) stop(d *Domain) {
	h, ran := st.handler()
	n := 0
	st.w.RunOnAll(d, h, StopOptions{Setup: func(s *Stop) { n = len(s.Participants()) }})
	if *ran != n {
		st.x.Fail("%d domains took part, and the handler was run %d times", n, *ran)
	}
}

// A readingStage is one whose domains read in the sections of an smr domain.
type readingStage struct {
	*stage
	dom *smr.Domain
	p   smr.Pointer[target]
}

// A target is what readers find and writers free.
type target struct{ freed bool }

func newReadingStage(x *sched.Exec) *readingStage {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		x.Fail("New: %v", err)
	}
	st := &readingStage{stage: newStage(x, Options{SMR: []*smr.Domain{dom}}), dom: dom}
	st.p.Init(new(target))
	return st
}

func (st *readingStage) close() { st.dom.Close(context.Background()) }

// read is what a domain does between two safe points.
func (st *readingStage) read(d *Domain) {
	o := st.p.Load(d.Section())
	for range 2 {
		if o.freed {
			st.x.Fail("a reader holds what was freed")
		}
		st.look.Load()
	}
}

func (st *readingStage) synchronize() {
	if err := st.dom.Synchronize(context.Background()); err != nil {
		st.x.Fail("Synchronize: %v", err)
	}
}

// replace is what a writer does.
func (st *readingStage) replace() {
	old := st.p.LoadSerialized()
	st.p.Store(new(target))
	st.synchronize()
	old.freed = true
}

// Two domains lead stops, one after the other, or one loses.
func TestSchedules_StopAgainstStop(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		for i, name := range []string{"one", "other"} {
			st.domain(name, i, func(d *Domain) {
				st.code(d)
				if i == 0 {
					st.stop(d)
				} else if h, ran := st.handler(); st.w.TryRunOnAll(d, h, StopOptions{}) == (*ran == 0) {
					x.Fail("TryRunOnAll says one thing and has done another")
				}
				st.code(d)
			})
		}
		return nil
	})
}

// Those that wait to lead do so in turn, and none is forgotten.
func TestSchedules_ThreeStops(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		for i, name := range []string{"one", "two", "three"} {
			st.domain(name, i, func(d *Domain) {
				st.w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
			})
		}
		return nil
	})
}

// A handler that ends is waited for at no barrier any more.
func TestSchedules_HandlerEndsBeforeBarrier(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		st.domain("leader", 0, func(d *Domain) {
			st.w.RunOnAll(d, func(h *Domain, s *Stop) {
				if h == d {
					s.Barrier(nil)
				}
			}, StopOptions{})
		})
		st.domain("other", 1, func(d *Domain) { d.Poll() })
		return nil
	})
}

// A stop of a domain that goes into Blocking, and wants to come back.
func TestSchedules_StopAgainstBlocked(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		st.domain("leader", 0, func(d *Domain) { st.stop(d) })
		st.domain("blocked", 1, func(d *Domain) {
			d.Blocking(func() { st.look.Load() })
			st.code(d)
		})
		return nil
	})
}

// A stop of a world that domains join and leave meanwhile.
func TestSchedules_StopAgainstSpawn(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		st.domain("leader", 0, func(d *Domain) { st.stop(d) })
		st.domain("spawner", 1, func(d *Domain) {
			child, err := st.w.Spawn(st.code)
			if err != nil {
				x.Fail("Spawn: %v", err)
			}
			d.Blocking(func() { child.Join(context.Background()) })
		})
		return func() {
			if n := len(st.w.Domains()); n != 0 {
				x.Fail("%d domains are left", n)
			}
		}
	})
}

// The last one out of a stop ends it, whoever that is: the next does not begin while a
// handler of this one runs.
func TestSchedules_LastLeaver(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		st.domain("leader", 0, func(d *Domain) {
			st.stop(d)
			st.stop(d)
		})
		st.domain("other", 1, func(d *Domain) { st.code(d) })
		return nil
	})
}

// World.Stop from outside, and domains that come and go.
func TestSchedules_StopFromOutside(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		x.Go("outside", 0, func() {
			st.w.Stop()
			for slot, user := range st.user {
				if user {
					x.Fail("the domain in slot %d runs while the world is stopped", slot)
				}
			}
			st.look.Load()
			for slot, user := range st.user {
				if user {
					x.Fail("the domain in slot %d runs while the world is stopped", slot)
				}
			}
			st.w.Start()
		})
		st.domain("one", 1, func(d *Domain) {
			st.code(d)
			d.Poll()
			st.code(d)
		})
		st.domain("other", 2, func(d *Domain) { d.Blocking(func() { st.look.Load() }) })
		return nil
	})
}

// What is asked of a domain while it serves, or polls, is done by one of its later
// polls.
func TestSchedules_InterruptAgainstPoll(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var dom *Domain
		var ran []int
		var ready, asked relacq.Uint64
		st.domain("domain", 0, func(d *Domain) {
			dom = d
			ready.Store(1)
			for len(ran) < 2 {
				d.Relax()
			}
		})
		for i, name := range []string{"one", "other"} {
			x.Go(name, 1+i, func() {
				for ready.Load() == 0 || i == 1 && asked.Load() == 0 {
					sched.Gosched()
				}
				if err := dom.Interrupt(func(*Domain) { ran = append(ran, i) }); err != nil {
					x.Fail("Interrupt: %v", err)
				}
				asked.Store(1)
			})
		}
		return func() {
			if ran[0] != 0 || ran[1] != 1 {
				x.Fail("the interrupts ran in the order %v", ran)
			}
		}
	})
}

// An interrupt is refused, or run, also if the domain ends or is blocked.
func TestSchedules_InterruptAgainstEnd(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var dom *Domain
		var ready relacq.Uint64
		ran, accepted := 0, 0
		st.domain("domain", 0, func(d *Domain) {
			dom = d
			ready.Store(1)
			d.Blocking(func() { st.look.Load() })
			st.code(d)
		})
		x.Go("outside", 1, func() {
			sched.Await(&ready)
			for range 2 {
				err := dom.Interrupt(func(d *Domain) {
					if st.user[d.slot] {
						x.Fail("a domain runs while an interrupt function runs for it")
					}
					ran++
				})
				if err == nil {
					accepted++
				}
			}
		})
		return func() {
			if ran != accepted {
				x.Fail("%d interrupts were accepted, and %d run", accepted, ran)
			}
		}
	})
}

// Interrupts that are deferred run when that is over, by the next poll, and a stop does not wait for it.
func TestSchedules_InterruptDeferred(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		d := st.begun()
		deferred, accepted, ran := false, false, false
		var stopped, asked relacq.Uint64
		x.Go("domain", 0, func() {
			d.owned()
			d.WithoutInterrupts(func() {
				deferred = true
				for stopped.Load() == 0 {
					st.code(d)
					d.Relax()
				}
				d.Blocking(func() { st.look.Load() })
				deferred = false
			})
			for asked.Load() == 0 || accepted && !ran {
				d.Relax()
			}
			d.Deregister()
		})
		x.Go("interrupts", 1, func() {
			accepted = d.Interrupt(func(*Domain) {
				if ran = true; deferred || st.user[d.slot] {
					x.Fail("an interrupt function runs; they are deferred: %v", deferred)
				}
			}) == nil
			asked.Store(1)
		})
		x.Go("stops", 2, func() {
			st.w.Stop()
			st.stopped(st.w.held)
			st.w.Start()
			stopped.Store(1)
		})
		return st.checkQuiet
	})
}

// A ragged barrier runs its function for each domain, while that does nothing else.
func TestSchedules_ForEachAgainstBlocked(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var ready, over relacq.Uint64
		x.Go("outside", 0, func() {
			sched.Await(&ready)
			ran := 0
			st.w.ForEach(func(d *Domain) {
				if st.user[d.slot] {
					x.Fail("a domain runs while a function runs for it")
				}
				ran++
			})
			if ran != 1 {
				x.Fail("the function ran %d times for one domain", ran)
			}
			over.Store(1)
		})
		st.domain("domain", 1, func(d *Domain) {
			ready.Store(1)
			st.code(d)
			d.Blocking(func() { st.look.Load() })
			st.code(d)
			for over.Load() == 0 {
				d.Relax()
			}
		})
		return nil
	})
}

// A grace period asks a domain for a poll; the request is not lost, however it meets a
// poll.
func TestSchedules_GracePeriodAgainstPoll(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newReadingStage(x)
		var over relacq.Uint64
		st.domain("reader", 0, func(d *Domain) {
			for over.Load() == 0 {
				st.read(d)
				d.Relax()
			}
		})
		x.Go("writer", 1, func() {
			for range 2 { // the second may ask while the first is answered
				st.replace()
			}
			over.Store(1)
		})
		return st.close
	})
}

// A handler waits for a grace period.
func TestSchedules_GracePeriodInStop(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newReadingStage(x)
		st.domain("leader", 0, func(d *Domain) {
			st.w.RunOnAll(d, func(h *Domain, _ *Stop) {
				if h != d {
					st.synchronize()
				}
			}, StopOptions{})
		})
		st.domain("other", 1, func(d *Domain) { d.Poll() })
		return st.close
	})
}

// suspendable is a domain that runs, is blocked, and runs again, until told to end.
func (st *stage) suspendable(d *Domain, over *relacq.Uint64) {
	st.code(d)
	d.Blocking(func() { st.look.Load() })
	for over.Load() == 0 {
		st.code(d)
		d.Relax()
	}
}

// interrupt returns a function to interrupt a domain with, and what counts how often it
// was run.
func (st *stage) interrupt() (fn func(*Domain), ran *int) {
	ran = new(int)
	return func(d *Domain) {
		for range 2 {
			if st.user[d.slot] || st.held[d.slot] > 0 {
				st.x.Fail("an interrupt function runs for %v, which runs itself, or is suspended", d)
			}
			st.look.Load()
		}
		*ran++
	}, ran
}

// suspend suspends a domain until hold returns.
func (st *stage) suspend(ctx context.Context, d *Domain, hold func()) error {
	if err := d.Suspend(ctx); err != nil {
		return err
	}
	st.held[d.slot]++
	if st.user[d.slot] {
		st.x.Fail("%v is suspended, and runs", d)
	}
	st.look.Load()
	hold()
	st.look.Load()
	st.held[d.slot]--
	d.Resume()
	return nil
}

// A suspended domain stays where it is, whatever it was about, and does afterwards what
// it was asked meanwhile, and what it was doing for others.
func TestSchedules_SuspendAgainstBlocked(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var dom *Domain
		var ready, over relacq.Uint64
		fn, ran := st.interrupt()
		st.domain("domain", 0, func(d *Domain) {
			dom = d
			ready.Store(1)
			st.suspendable(d, &over)
		})
		x.Go("outside", 1, func() {
			sched.Await(&ready)
			interrupt := func() {
				if err := dom.Interrupt(fn); err != nil {
					x.Fail("Interrupt: %v", err)
				}
			}
			interrupt()
			if err := st.suspend(context.Background(), dom, interrupt); err != nil {
				x.Fail("Suspend: %v", err)
			}
			over.Store(1)
		})
		return func() {
			if *ran != 2 {
				x.Fail("%d interrupts of 2 ran", *ran)
			}
		}
	})
}

// What is asked of a domain that stays blocked is done meanwhile, one thing at a time,
// whoever does it; and nothing is while it is suspended.
func TestSchedules_ServedWhileBlocked(t *testing.T) {
	for _, how := range []string{"for each", "suspend"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 4}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				d := st.begun()
				d.EnterBlocking()
				acting := false
				var ran satomic.Int32
				fn := func(d *Domain) {
					if acting || st.held[d.slot] > 0 {
						x.Fail("two act for %v, or one while it is suspended", d)
					}
					acting = true
					st.look.Load()
					acting = false
					if st.held[d.slot] > 0 {
						x.Fail("%v is suspended while somebody acts for it", d)
					}
					ran.Add(1)
				}
				x.Go("one", 0, func() { d.Interrupt(fn) })
				x.Go("other", 1, func() {
					if how == "for each" {
						st.w.ForEach(fn)
					} else {
						st.suspend(context.Background(), d, func() { d.Interrupt(fn) })
					}
				})
				return func() {
					if n := ran.Load(); n != 2 {
						x.Fail("%d functions of 2 were run while the domain was blocked", n)
						return
					}
					d.LeaveBlocking()
					d.Deregister()
				}
			})
		})
	}
}

// A domain that waits to lead and panics instead lets the next one.
func TestSchedules_WaiterPanics(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 40_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		first := st.begun()
		s := st.w.newStop("RunOnAll", context.Background(), first, func(*Domain, *Stop) {}, StopOptions{})
		st.w.queue(s) // it has tried, and has failed
		var over relacq.Uint64
		x.Go("panics", 0, func() {
			first.owned()
			func() {
				defer func() { recover() }()
				s.leadInTurn()
				for {
					first.Relax()
				}
			}()
			for over.Load() == 0 { // its end would wake the other
				first.Relax()
			}
			first.Deregister()
		})
		st.domain("leads", 1, func(d *Domain) {
			st.w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
			over.Store(1)
		})
		x.Go("outside", 2, func() {
			first.Interrupt(func(*Domain) { panic("for the domain") })
		})
		return nil
	})
}

// A suspended domain takes part in what others wait for, and is suspended still.
func TestSchedules_StopAgainstSuspended(t *testing.T) {
	for _, how := range []string{"stop", "for each"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				var dom *Domain
				var ready, over relacq.Uint64
				x.Go("outside", 0, func() {
					sched.Await(&ready)
					err := st.suspend(context.Background(), dom, func() {
						if how == "stop" {
							st.w.Stop()
							st.w.Start()
							return
						}
						each := 0
						st.w.ForEach(func(*Domain) { each++ })
						if each != 1 {
							x.Fail("the function ran %d times for one domain", each)
						}
					})
					if err != nil {
						x.Fail("Suspend: %v", err)
					}
					over.Store(1)
				})
				st.domain("domain", 1, func(d *Domain) {
					dom = d
					ready.Store(1)
					st.suspendable(d, &over)
				})
				return nil
			})
		})
	}
}

// A domain that is suspended while it waits to lead, wherever on its way, holds up nobody,
// and leads when it is resumed.
func TestSchedules_SuspendAgainstQueue(t *testing.T) {
	for _, others := range []int{0, 1} {
		t.Run([]string{"alone", "first of two"}[others], func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3, Schedules: 25_000 - 13_000*others, Walks: 8000}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				first := st.begun()
				led := 0
				s := st.w.newStop("RunOnAll", context.Background(), first, func(*Domain, *Stop) {
					if led++; st.held[first.slot] > 0 {
						x.Fail("%v leads while it is suspended", first)
					}
				}, StopOptions{})
				st.w.queue(s) // it has tried, and has failed
				x.Go("outside", 0, func() {
					err := st.suspend(context.Background(), first, func() {
						st.w.Stop()
						st.w.Start()
					})
					if err != nil && err != ErrDead {
						x.Fail("Suspend: %v", err)
					}
				})
				x.Go("first", 1, func() {
					first.owned()
					s.leadInTurn()
					st.code(first)
					first.Deregister()
				})
				for range others {
					st.domain("second", 2, func(d *Domain) {
						st.w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{})
					})
				}
				return func() {
					if led == 0 {
						x.Fail("it has not led")
					}
				}
			})
		})
	}
}

// A suspended domain takes part in one stop after the other, one of which is queued while the
// other is in progress, and does nothing else before it is resumed, whenever that is.
func TestSchedules_SuspendedAgainstQueuedStop(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 4, Schedules: 20_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		d := st.begun()
		x.Go("suspended", 0, func() {
			d.owned()
			st.code(d)
			d.Poll()
			st.code(d)
			d.Deregister()
		})
		x.Go("suspends", 1, func() {
			if err := st.suspend(context.Background(), d, func() {}); err != nil && err != ErrDead {
				x.Fail("Suspend: %v", err)
			}
		})
		for i, name := range []string{"leads", "leads, too"} {
			st.domain(name, 2+i, st.stop)
		}
		return func() {
			if n := len(st.w.Domains()); n != 0 || d.noted.suspends != 0 {
				x.Fail("%d domains are left, and %d suspensions", n, d.noted.suspends)
			}
		}
	})
}

// A domain that ends is suspended, or dead; and it ends when it is resumed.
func TestSchedules_SuspendAgainstEnd(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var dom *Domain
		var ready relacq.Uint64
		st.domain("domain", 0, func(d *Domain) {
			dom = d
			ready.Store(1)
			st.code(d)
		})
		x.Go("outside", 1, func() {
			sched.Await(&ready)
			if err := st.suspend(context.Background(), dom, func() {}); err != nil && err != ErrDead {
				x.Fail("Suspend: %v", err)
			}
		})
		return nil
	})
}

// Who gives up to suspend a domain leaves nothing behind, also if it is suspended by then.
func TestSchedules_SuspendAgainstCancel(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		ctx, cancel := context.WithCancel(context.Background())
		var dom *Domain
		var ready, over relacq.Uint64
		st.domain("domain", 0, func(d *Domain) {
			dom = d
			ready.Store(1)
			for over.Load() == 0 {
				st.code(d)
				d.Relax()
			}
		})
		x.Go("suspends", 1, func() {
			sched.Await(&ready)
			if err := st.suspend(ctx, dom, func() {}); err != nil && err != context.Canceled {
				x.Fail("Suspend: %v", err)
			}
			over.Store(1)
		})
		x.Go("cancels", 2, func() {
			sched.Wakes()
			cancel()
		})
		return func() {
			if dom.noted.suspends != 0 {
				x.Fail("%d suspensions are left", dom.noted.suspends)
			}
		}
	})
}

// Who leaves Blocking does not wait for interrupts that ask for interrupts.
func TestSchedules_EndlessInterrupts(t *testing.T) {
	sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
		var back relacq.Uint64
		again := func(ask func()) {
			if back.Load() == 0 {
				ask()
				sched.Gosched()
			}
		}
		st := newStage(x, Options{ExternalInterrupt: func(d *Domain) {
			again(func() { d.InterruptExternal() })
		}})
		var fn func(d *Domain)
		fn = func(d *Domain) { again(func() { d.Interrupt(fn) }) }
		st.domain("domain", 0, func(d *Domain) {
			d.Blocking(func() {
				d.Interrupt(fn)
				d.InterruptExternal()
				st.look.Load()
			})
			back.Store(1)
		})
		return nil
	})
}

// A domain that does not start: its slot is free again, also after a stop that meets
// it on the way.
func TestSchedules_StopAgainstFailedSpawn(t *testing.T) {
	refused := errors.New("refused")
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		started, ended := 0, 0
		var ready relacq.Uint64
		st := newStage(x, Options{
			Max: 2,
			OnStart: func(d *Domain) error {
				if started++; d.endsBy == byReturn {
					return refused
				}
				return nil
			},
			OnEnd: func(d *Domain) { ended++ },
		})
		st.domain("leader", 0, func(d *Domain) {
			child, err := st.w.Spawn(func(*Domain) { x.Fail("a domain that was refused runs") })
			ready.Store(1)
			if err != nil {
				x.Fail("Spawn: %v", err)
			}
			st.stop(d)
			d.Blocking(func() { err = child.Join(context.Background()) })
			if err != refused {
				x.Fail("Join: %v", err)
			}
			if n := len(st.w.Domains()); n != 1 {
				x.Fail("%d domains are left", n)
			}
		})
		x.Go("closer", 1, func() {
			sched.Await(&ready)
			if err := st.w.Close(context.Background()); err != nil || started != 2 || ended != 1 {
				x.Fail("Close: %v; %d domains have started, and %d ended", err, started, ended)
			}
		})
		return nil
	})
}

// What is run for a domain that is blocked, or about to be, reads in sections of its;
// the domain itself holds up no grace period.
func TestSchedules_GracePeriodAgainstBlocked(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		st := newReadingStage(x)
		over := make(chan struct{})
		st.domain("domain", 0, func(d *Domain) {
			if err := d.Interrupt(st.read); err != nil {
				x.Fail("Interrupt: %v", err)
			}
			st.read(d)
			d.Blocking(func() { <-over })
			st.read(d)
		})
		x.Go("writer", 1, func() {
			st.replace()
			sched.Wakes()
			close(over)
		})
		x.Go("outside", 2, func() { st.w.ForEach(st.read) })
		return st.close
	})
}

// Parties that work between their arrival and their wait, of whom one panics there.
func TestSchedules_SplitBarrier(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
		const parties = 3
		b := new(barrier)
		b.init(parties, 1)
		st := newStage(x, Options{})
		var at [parties]int
		last := 0
		for i := range parties {
			x.Go([]string{"one", "two", "three"}[i], i, func() {
				defer func() {
					recover()
					b.drop()
				}()
				for phase := 1; phase <= 2; phase++ {
					at[i] = phase
					b.split(func() {
						st.look.Load()
						if i == 2 {
							panic("in its work")
						}
					}, func() { last++ })
					for o, p := range at {
						if p < phase && o != 2 {
							x.Fail("a party is in phase %d, and party %d in %d", phase, o, p)
						}
					}
				}
			})
		}
		return func() {
			if last != 1 && last != 2 { // none does if the one that drops out was the last missing
				x.Fail("the last one in of two phases ran its function %d times", last)
			}
		}
	})
}

// Parties that meet at a barrier phase after phase, of whom one leaves.
func TestSchedules_BarrierPhases(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3}, func(x *sched.Exec) func() {
		const parties = 3
		b := new(barrier)
		b.init(parties, 1)
		var at [parties]int
		for i := range parties {
			x.Go([]string{"one", "two", "three"}[i], i, func() {
				for phase := 1; phase <= 2; phase++ {
					at[i] = phase
					if i == 2 && phase == 2 {
						break
					}
					b.await(nil)
					for o, p := range at {
						if p < phase {
							x.Fail("a party is in phase %d, and party %d in %d", phase, o, p)
						}
					}
				}
				b.drop()
			})
		}
		return nil
	})
}

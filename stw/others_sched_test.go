//go:build smr_sched

package stw

import (
	"context"
	"testing"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
)

// alone has d suspend the others, and checks that none of them runs before it resumes them.
func (st *stage) alone(ctx context.Context, d *Domain, hold func()) error {
	s, err := d.SuspendOthers(ctx)
	if err != nil {
		return err
	}
	for slot := range st.held {
		if slot == d.slot {
			continue
		}
		if st.held[slot]++; st.user[slot] {
			st.x.Fail("%v runs alone, and so does the domain in slot %d", d, slot)
		}
	}
	st.code(d)
	hold()
	for slot := range st.held {
		if slot != d.slot {
			st.held[slot]--
		}
	}
	s.Resume()
	return nil
}

// mustBeAlone is alone, and cannot fail.
func (st *stage) mustBeAlone(d *Domain) {
	if err := st.alone(context.Background(), d, func() {}); err != nil {
		st.x.Fail("SuspendOthers: %v", err)
	}
}

// left checks that nothing is left of any suspension.
func (st *stage) left() {
	if n, m, o := len(st.w.Domains()), len(st.w.solos), len(st.w.soloists); n+m+o != 0 {
		st.x.Fail("%d domains are left, %d suspensions, and %d who wait for theirs", n, m, o)
	}
}

// Two domains suspend each other: one after the other does.
func TestSchedules_SuspendOthersAgainstEachOther(t *testing.T) {
	sched.Explore(t, sched.Options{Schedules: 12_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		for i, name := range []string{"one", "other"} {
			st.domain(name, i, func(d *Domain) {
				st.code(d)
				st.mustBeAlone(d)
				st.code(d)
			})
		}
		return st.left
	})
}

// A domain that joins, or ends and has an interrupt left, does not run while another is alone.
func TestSchedules_SuspendOthersAgainstChange(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 12_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		st.domain("alone", 0, st.mustBeAlone)
		fn, ran := st.interrupt()
		st.domain("comes and goes", 1, func(d *Domain) {
			st.code(d)
			if err := d.Interrupt(fn); err != nil {
				x.Fail("Interrupt: %v", err)
			}
		})
		return func() {
			if st.left(); *ran != 1 {
				x.Fail("the interrupt ran %d times", *ran)
			}
		}
	})
}

// A stop comes while a domain is alone: its end lets no other domain in.
func TestSchedules_SuspendOthersAgainstStop(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 12_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		st.domain("alone", 0, st.mustBeAlone)
		x.Go("outside", 1, func() {
			st.w.Stop()
			st.stopped(st.w.held)
			st.w.Start()
		})
		st.domain("comes and goes", 2, st.code)
		return st.left
	})
}

// A blocked domain comes back, or is suspended by others, too.
func TestSchedules_SuspendOthersAgainstBlocked(t *testing.T) {
	for others, name := range []string{"comes back", "is suspended twice"} {
		t.Run(name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				b := st.begun()
				b.EnterBlocking()
				st.domain("alone", 0, st.mustBeAlone)
				x.Go("blocked", 1, func() {
					b.LeaveBlocking()
					st.code(b)
					b.Deregister()
				})
				if others > 0 {
					x.Go("outside", 2, func() {
						if err := st.suspend(context.Background(), b, func() {}); err != nil && err != ErrDead {
							x.Fail("Suspend: %v", err)
						}
					})
				}
				return st.left
			})
		})
	}
}

// A domain that is suspended at its turn has it when it is resumed, and one that is alone is suspended
// as any other.
func TestSchedules_SuspendOthersAgainstSuspend(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 12_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var dom *Domain
		var ready relacq.Uint64
		st.domain("alone", 0, func(d *Domain) {
			dom = d
			ready.Store(1)
			st.mustBeAlone(d)
		})
		x.Go("outside", 1, func() {
			sched.Await(&ready)
			if err := st.suspend(context.Background(), dom, func() {}); err != nil && err != ErrDead {
				x.Fail("Suspend: %v", err)
			}
		})
		return st.left
	})
}

// Another domain suspends the one that is alone, or that waits until it is or gives up, and resumes it
// before it comes back itself. In between it waits for a new domain, if the call gives up.
func TestSchedules_SuspendOthersAgainstSuspendByDomain(t *testing.T) {
	for _, how := range []string{"succeeds", "gives up"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				ctx, cancel := context.WithCancel(context.Background())
				var dom *Domain
				var ready, over relacq.Uint64
				other := st.begun()
				other.EnterBlocking()
				if how == "gives up" {
					deaf := st.begun()
					x.Go("deaf", 2, func() {
						deaf.owned()
						sched.Await(&over)
						deaf.Deregister()
					})
				}
				st.domain("alone", 0, func(d *Domain) {
					dom = d
					ready.Store(1)
					if err := st.alone(ctx, d, func() {}); err != nil {
						st.checkCanceled(err)
					}
					st.code(d)
				})
				x.Go("suspends it", 1, func() {
					sched.Await(&ready)
					err := st.suspend(context.Background(), dom, func() {
						if how == "gives up" {
							sched.Wakes()
							cancel()
							st.mayJoin()
						}
					})
					if err != nil && err != ErrDead {
						x.Fail("Suspend: %v", err)
					}
					other.LeaveBlocking()
					st.code(other)
					over.Store(1)
					other.Deregister()
				})
				return st.left
			})
		})
	}
}

// mayJoin makes a domain and waits until it has ended.
func (st *stage) mayJoin() {
	d, err := st.w.Spawn(func(*Domain) {})
	if err != nil {
		st.x.Fail("Spawn: %v", err)
	}
	d.Join(context.Background())
}

// A domain ends while another goroutine resumes what it has suspended: when Join returns, all is resumed.
func TestSchedules_SuspendOthersAgainstEnd(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		b := st.begun()
		b.EnterBlocking()
		var dom *Domain
		var s *Suspension
		var ready relacq.Uint64
		st.domain("alone", 0, func(d *Domain) {
			var err error
			if s, err = d.SuspendOthers(context.Background()); err != nil {
				x.Fail("SuspendOthers: %v", err)
			}
			dom = d
			ready.Store(1)
		})
		x.Go("resumes", 1, func() {
			sched.Await(&ready)
			s.Resume()
		})
		x.Go("joins", 2, func() {
			sched.Await(&ready)
			dom.Join(context.Background())
			if b.suspended() {
				x.Fail("%v has ended, and %v is suspended", dom, b)
			}
			b.LeaveBlocking()
			b.Deregister()
		})
		return st.left
	})
}

// A call that is given up, or ended by an interrupt that panics, leaves nothing behind.
func TestSchedules_SuspendOthersGivesUp(t *testing.T) {
	for _, how := range []string{"cancel", "panic"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				ctx, cancel := context.WithCancel(context.Background())
				var dom *Domain
				var ready, over relacq.Uint64
				st.domain("gives up", 0, func(d *Domain) {
					dom = d
					ready.Store(1)
					func() {
						defer func() { recover() }()
						if err := st.alone(ctx, d, func() {}); err != nil && err != context.Canceled {
							x.Fail("SuspendOthers: %v", err)
						}
						for how == "panic" { // until a poll passes it on
							d.Relax()
						}
					}()
					for over.Load() == 0 { // its end would resume the other
						d.Relax()
					}
				})
				st.domain("other", 1, func(d *Domain) {
					st.code(d)
					d.Poll()
					st.code(d)
					over.Store(1)
				})
				x.Go("outside", 2, func() {
					sched.Await(&ready)
					if how == "cancel" {
						sched.Wakes()
						cancel()
					} else if err := dom.Interrupt(func(*Domain) { panic("interrupt") }); err != nil {
						x.Fail("Interrupt: %v", err)
					}
				})
				return st.left
			})
		})
	}
}

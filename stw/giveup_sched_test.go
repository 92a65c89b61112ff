//go:build smr_sched

package stw

import (
	"context"
	"testing"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
)

// canceled returns a context that ends at some time.
func (st *stage) canceled(proc int) context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	st.x.Go("cancels", proc, func() {
		sched.Wakes()
		cancel()
	})
	return ctx
}

// stopOrGiveUp stops the world from outside, or finds that nothing is left of that.
func (st *stage) stopOrGiveUp(ctx context.Context) {
	if err := st.w.StopContext(ctx); err != nil {
		st.checkCanceled(err)
		if s := st.w.stop.Load(); s != nil && s.leader == nil && s.ctx == ctx {
			st.x.Fail("the stop that was given up is in progress")
		}
		return
	}
	st.stopped(st.w.held)
	st.look.Load()
	st.stopped(st.w.held)
	st.w.Start()
}

// leadOrGiveUp has d lead a stop, whose handler runs for all or for none.
func (st *stage) leadOrGiveUp(ctx context.Context, d *Domain) {
	h, ran := st.handler()
	n := 0
	err := st.w.RunOnAllContext(ctx, d, h, StopOptions{Setup: func(s *Stop) { n = len(s.Participants()) }})
	if err != nil {
		st.checkCanceled(err)
		n = 0
	}
	if *ran != n {
		st.x.Fail("the handler has run %d times, not %d: %v", *ran, n, err)
	}
}

func (st *stage) checkCanceled(err error) {
	if err != context.Canceled {
		st.x.Fail("it returns %v", err)
	}
}

// checkQuiet checks that nothing is left, in the end, of what was given up.
func (st *stage) checkQuiet() {
	if t := st.w.trace(); t != quiet {
		st.x.Fail("left: %s", t)
	}
}

// A stop is given up while a domain polls: it comes, or it does not, and in the end all run. Nothing
// is left to be done by a later poll.
func TestSchedules_GivenUpStopAgainstPoll(t *testing.T) {
	for _, how := range []string{"from outside", "led"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				d := st.begun()
				ctx := st.canceled(2)
				x.Go("domain", 1, func() {
					d.owned()
					st.code(d)
					d.Poll()
					st.code(d)
					d.Deregister()
				})
				if how == "led" {
					st.domain("leader", 0, func(leader *Domain) {
						st.leadOrGiveUp(ctx, leader)
						st.code(leader)
					})
				} else {
					x.Go("outside", 0, func() { st.stopOrGiveUp(ctx) })
				}
				return st.checkQuiet
			})
		})
	}
}

// A stop is given up in which one domain waits for the other, which ends without a poll.
func TestSchedules_GivenUpStopAgainstTwo(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		var domains [2]*Domain
		for i := range domains {
			d := st.begun()
			domains[i] = d
		}
		ctx, cancel := context.WithCancel(context.Background())
		var over relacq.Uint64
		x.Go("polls", 1, func() {
			domains[0].owned()
			domains[0].Poll()
			st.code(domains[0])
			domains[0].Deregister()
		})
		x.Go("does not", 2, func() {
			domains[1].owned()
			sched.Wakes()
			cancel()
			sched.Await(&over)
			domains[1].Deregister()
		})
		x.Go("outside", 0, func() {
			st.stopOrGiveUp(ctx)
			over.Store(1)
		})
		return st.checkQuiet
	})
}

// What is given up is the stop of a domain that is blocked or comes back: a stand-in takes part, or
// finds nothing to do, and another stop may follow at once.
func TestSchedules_GivenUpStopAgainstBlocked(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 3, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		d := st.begun()
		d.EnterBlocking()
		ctx := st.canceled(2)
		x.Go("domain", 1, func() {
			d.owned()
			d.LeaveBlocking()
			st.code(d)
			d.Deregister()
		})
		x.Go("outside", 0, func() {
			st.stopOrGiveUp(ctx)
			st.w.Stop()
			st.stopped(st.w.held)
			st.w.Start()
		})
		return st.checkQuiet
	})
}

// A suspended domain that is woken for a stop that is given up sleeps on.
func TestSchedules_GivenUpStopAgainstSuspended(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 4, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		d := st.begun()
		ctx := st.canceled(2)
		x.Go("domain", 1, func() {
			d.owned()
			st.code(d)
			d.Poll()
			st.code(d)
			d.Deregister()
		})
		x.Go("outside", 0, func() { st.stopOrGiveUp(ctx) })
		x.Go("suspends", 3, func() {
			if err := st.suspend(context.Background(), d, func() {}); err != nil && err != ErrDead {
				x.Fail("Suspend: %v", err)
			}
		})
		return st.checkQuiet
	})
}

// A domain that gives up waiting to lead lets the next one lead.
func TestSchedules_GivenUpStopAgainstStop(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 4, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newStage(x, Options{})
		ctx := st.canceled(3)
		x.Go("gives up", 0, func() { st.stopOrGiveUp(ctx) })
		x.Go("outside", 1, func() {
			st.w.Stop()
			st.w.Start()
		})
		st.domain("leader", 2, func(d *Domain) { st.leadOrGiveUp(ctx, d) })
		return st.checkQuiet
	})
}

// A grace period asks a domain that a stop has been withdrawn from: its request is not withdrawn.
func TestSchedules_GivenUpStopAgainstGracePeriod(t *testing.T) {
	sched.Explore(t, sched.Options{Procs: 4, Schedules: 10_000}, func(x *sched.Exec) func() {
		st := newReadingStage(x)
		var over relacq.Uint64
		d := st.begun()
		ctx := st.canceled(3)
		x.Go("reader", 1, func() {
			d.owned()
			for over.Load() == 0 {
				st.read(d)
				d.Relax()
			}
			d.Deregister()
		})
		x.Go("outside", 0, func() { st.stopOrGiveUp(ctx) })
		x.Go("writer", 2, func() {
			st.replace()
			over.Store(1)
		})
		return func() { st.checkQuiet(); st.close() }
	})
}

// A ragged barrier that is given up runs its function for a domain, or not, and at most once; what
// else was asked of the domain is done.
func TestSchedules_GivenUpForEachAgainstPoll(t *testing.T) {
	for _, how := range []string{"polls", "is blocked"} {
		t.Run(how, func(t *testing.T) {
			sched.Explore(t, sched.Options{Procs: 4, Schedules: 10_000}, func(x *sched.Exec) func() {
				st := newStage(x, Options{})
				d := st.begun()
				if how == "is blocked" {
					d.EnterBlocking()
				}
				ctx := st.canceled(2)
				fn, interrupts := st.interrupt()
				x.Go("domain", 1, func() {
					d.owned()
					if how == "is blocked" {
						d.LeaveBlocking()
					}
					st.code(d)
					d.Poll()
					st.code(d)
					d.Deregister()
				})
				x.Go("outside", 0, func() {
					each, over := 0, false
					err := st.w.ForEachContext(ctx, func(d *Domain) {
						if st.user[d.slot] || over {
							x.Fail("it runs for %v, which runs itself; ForEach has returned: %v", d, over)
						}
						st.look.Load()
						each++
						if over {
							x.Fail("ForEach has returned while it ran for %v", d)
						}
					})
					over = true
					if err != nil {
						st.checkCanceled(err)
					}
					if each > 1 || err != nil && each > 0 {
						x.Fail("it has run %d times: %v", each, err)
					}
				})
				accepted := 0
				x.Go("interrupts", 3, func() {
					if d.Interrupt(fn) == nil {
						accepted++
					}
				})
				return func() {
					st.checkQuiet()
					if *interrupts != accepted {
						x.Fail("%d interrupts of %d ran", *interrupts, accepted)
					}
				}
			})
		})
	}
}

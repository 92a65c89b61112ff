//go:build smr_sched

package stw

import (
	"context"
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
)

// The combinations of TestStates_EachAgainstEach, as they come about: two or three things
// that are asked of one domain while it changes from one state to another.

// modest is how far each goes.
var modest = sched.Options{Procs: 3, Schedules: 8000, Walks: 4000}

// An asker is what others ask of a domain; it ends by itself, whatever the domain does.
type asker struct {
	*stage
	accepted, ran int // interrupts
}

func (st *asker) ask(what string, d *Domain) {
	switch what {
	case "stop":
		st.w.Stop()
		st.stopped(st.w.held)
		st.w.Start()
	case "for each":
		st.w.ForEach(st.notUser)
	case "interrupt":
		if d.Interrupt(func(d *Domain) { st.notUser(d); st.ran++ }) == nil {
			st.accepted++
		}
	case "suspend":
		if err := st.suspend(context.Background(), d, func() {}); err != nil && err != ErrDead {
			st.x.Fail("Suspend: %v", err)
		}
	}
}

// notUser is run for a domain, which must be there, and run nothing itself.
func (st *asker) notUser(d *Domain) {
	for range 2 {
		if d.phase == dead {
			st.x.Fail("something is run for %v, which is dead", d)
		}
		if st.user[d.slot] {
			st.x.Fail("something is run for %v while that runs", d)
		}
		st.look.Load()
	}
}

// A domain goes on from one state to the next, whatever is asked of it meanwhile, and so
// does what was asked.
func TestSchedules_AskedWhileStateChanges(t *testing.T) {
	starting := func(*Domain) {}
	running := func(d *Domain) { d.begin() }
	blocked := func(d *Domain) { d.begin(); d.EnterBlocking() }
	for _, of := range []struct {
		name   string
		before func(d *Domain)
		lives  func(st *asker, d *Domain)
	}{
		{"starts", starting, func(st *asker, d *Domain) { d.begin(); st.code(d) }},
		{"runs", running, func(st *asker, d *Domain) { st.code(d); d.Poll(); st.code(d) }},
		{"comes back from Blocking", blocked, func(st *asker, d *Domain) { d.LeaveBlocking(); st.code(d) }},
		{"ends in Blocking", blocked, func(st *asker, d *Domain) { d.LeaveBlocking() }},
	} {
		for _, what := range [][2]string{{"stop", "for each"}, {"stop", "suspend"}, {"for each", "suspend"}, {"interrupt", "suspend"}, {"suspend", "suspend"}} {
			t.Run(of.name+", "+what[0]+", "+what[1], func(t *testing.T) {
				sched.Explore(t, modest, func(x *sched.Exec) func() {
					st := &asker{stage: newStage(x, Options{})}
					d, err := st.w.newDomain(byDeregister)
					if err != nil {
						x.Fail("newDomain: %v", err)
					}
					of.before(d)
					x.Go("domain", 0, func() {
						d.owned()
						of.lives(st, d)
						d.Deregister()
					})
					for i, what := range what {
						x.Go(what, 1+i, func() { st.ask(what, d) })
					}
					return func() {
						if n := len(st.w.Domains()); n != 0 || d.phase != dead || d.noted.suspends != 0 || d.noted.held || st.ran != st.accepted {
							x.Fail("%d domains are left; it is %v, %d suspensions, held: %v; %d of %d interrupts ran",
								n, d.phase, d.noted.suspends, d.noted.held, st.ran, st.accepted)
						}
					}
				})
			})
		}
	}
}

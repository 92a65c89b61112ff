package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"github.com/gosmr/gosmr/smr"
)

// goals keeps goals for long, across many advances, and polls them again and again: once reached, a
// goal stays reached, and so do all taken before it. Elements age by such goals. And no goal is
// reached while a section is open that was entered before it.
type goals struct{}

func (goals) join(r *rig) {
	p := r.shelf("torture")
	for i := range 2 {
		name := fmt.Sprintf("old goals %d", i)
		j := &jar{
			writer: writer{shelf: p, rng: r.rand(name), tally: &r.writes, gate: &r.gate},
			kept:   r.counter("goals kept"),
		}
		r.start(name, j.run)
	}
	for i := range 2 {
		name := fmt.Sprintf("goals in sections %d", i)
		rng, held := r.rand(name), r.counter("goals held back")
		r.start(name, func(ctx context.Context, pu *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				holdBack(p.dom, p.dom, rng, &r.faults)
				held.Add(1)
				r.reads.take(readGoal, &readCount{sections: 1, others: 1})
				pu.beat()
			}
		})
	}
}

// A cookie is a goal that is kept.
type cookie struct {
	goal    smr.Seq
	reached bool
	guards  *element // unlinked before the goal was taken; nil if it has aged by it
}

// A jar has the cookies of one goroutine, the oldest first.
type jar struct {
	writer
	cookies []cookie
	kept    *counter
}

// With so many cookies, the oldest goal is some thousand advances old.
const jarSize = 256

func (j *jar) run(ctx context.Context, p *pulse) {
	for ctx.Err() == nil {
		j.gate.pass()
		j.take()
		for range 4 {
			j.ask()
		}
		p.beat()
	}
	for i := range j.cookies { // those that wait only to be asked, and for Wait to commit
		if c := &j.cookies[i]; c.guards != nil && j.check(j.shelf.dom.Wait(context.Background(), c.goal)) {
			j.poll(c)
		}
	}
	j.finish()
}

// take adds a goal, for a new element or for one that ages further.
func (j *jar) take() {
	dom := j.shelf.dom
	e := (*element)(nil)
	if n := len(j.aging); n > 0 && j.rng.IntN(4) != 0 {
		e, j.aging = j.aging[n-1], j.aging[:n-1]
	} else {
		e = j.update(writeCookie)
	}
	c := cookie{guards: e}
	switch j.rng.IntN(3) {
	case 0:
		c.goal = dom.Advance()
	case 1:
		c.goal = dom.DeferredAdvance()
		dom.Commit(c.goal)
	default: // committed by a later advance
		c.goal = dom.DeferredAdvance()
	}
	j.cookies = append(j.cookies, c)
	j.kept.Add(1)
	if len(j.cookies) > jarSize {
		first := &j.cookies[0]
		if first.guards != nil && j.check(dom.Wait(context.Background(), first.goal)) {
			j.poll(first)
		}
		j.cookies = j.cookies[1:]
	}
}

// ask polls a goal and, if it is reached, some that were taken before it.
func (j *jar) ask() {
	i := j.rng.IntN(len(j.cookies))
	if !j.poll(&j.cookies[i]) {
		return
	}
	for range 4 {
		older := &j.cookies[j.rng.IntN(i+1)]
		if !j.poll(older) {
			j.shelf.faults.add(faultGoal, "goal %#x is reached, but not the earlier %#x", j.cookies[i].goal, older.goal)
		}
	}
}

// poll polls a goal, and ages the element if its grace period is over.
func (j *jar) poll(c *cookie) bool {
	reached := j.shelf.dom.Poll(c.goal)
	switch {
	case reached && !c.reached:
		c.reached = true
		if c.guards != nil {
			j.tally.graces[writeCookie].Add(1)
			if j.shelf.ripen(c.guards) {
				j.aging = append(j.aging, c.guards)
			}
			c.guards = nil
		}
	case c.reached && !reached:
		j.shelf.faults.add(faultGoal, "goal %#x was reached and is not any more", c.goal)
	}
	return reached
}

// holdBack enters a section of one domain, takes a goal in it and checks that it is not reached.
// Tests make the mistake of a section of another domain.
func holdBack(in, dom *smr.Domain, rng *rand.Rand, f *faults) {
	var s smr.Section
	pinned := false
	switch rng.IntN(3) {
	case 0:
		s = in.Enter()
	case 1:
		s, pinned = in.Pin(), true
	case 2:
		rd := in.NewReader()
		defer rd.Close()
		s = rd.Enter()
	}
	goal := dom.Advance()
	if rng.IntN(2) == 0 {
		goal = dom.DeferredAdvance()
		dom.Commit(goal)
	}
	early := false
	for range 1 + rng.IntN(8) {
		early = early || dom.Poll(goal)
		if !pinned {
			drawStay(rng, false).pass(rng)
		}
	}
	s.Leave()
	if early {
		f.add(faultGoal, "goal %#x was reached while a section was open that was entered before", goal)
	}
}

package fuzz

import (
	"slices"
	"testing/synctest"

	"github.com/gosmr/gosmr/stw"
)

// check compares the world with what must hold when no goroutine runs.
func (p *stwProgram) check() {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	slots := make(map[int]*actor)
	ids := uint64(0)
	for _, a := range p.actors {
		if id := a.d.ID(); id <= ids {
			p.failLocked("domain %d comes after %d", id, ids)
		}
		ids = a.d.ID()
		p.checkActorLocked(a)
		if a.dead {
			continue
		}
		if slot := a.d.Slot(); slot < 0 || slot >= maxDomains || slots[slot] != nil {
			p.failLocked("%v has slot %d", a.d, slot)
		}
		slots[a.d.Slot()] = a
	}
	for _, op := range p.ops {
		if !op.over && !p.excusedLocked(op) {
			p.failLocked("%s is not over, and nobody knows why", op.what)
		}
	}
	p.ops = slices.DeleteFunc(p.ops, func(op *stwOp) bool { return op.over })
	for _, c := range p.calls {
		p.checkCallLocked(c)
	}
	if p.held {
		p.scanLocked()
	}
}

// scanLocked checks the roots of a stopped world: every domain has one.
func (p *stwProgram) scanLocked() {
	var want, got []uint64
	for _, a := range p.actors {
		if a.started && !a.dead {
			want = append(want, a.d.ID())
		}
	}
	p.w.Scan(func(d *stw.Domain, word uintptr) {
		if uint64(word) != d.ID() {
			p.failLocked("a root of %v is %d", d, word)
		}
		got = append(got, d.ID())
	})
	if slices.Sort(got); !slices.Equal(got, want) {
		p.failLocked("Scan finds the roots of %d, want those of %d", got, want)
	}
}

func (p *stwProgram) checkActorLocked(a *actor) {
	state, busy := a.d.State(), a.doing != nil && !a.doing.over
	if a.dead != (state == stw.Dead) && !busy {
		p.failLocked("%v is %v; it has ended: %v", a.d, state, a.dead)
	}
	if _, found := p.w.Lookup(a.d.ID()); found == a.dead {
		p.failLocked("Lookup finds %v: %v", a.d, found)
	}
	switch {
	case a.running && state != stw.Running:
		p.failLocked("%v runs and is %v", a.d, state)
	case a.running && (p.held || p.suspended[a] > 0):
		p.failLocked("%v runs, though the world is stopped: %v, or it is suspended", a.d, p.held)
	case a.blocked && !busy && state != stw.Blocked:
		p.failLocked("%v is blocked and is %v", a.d, state)
	case a.blocked && !busy && a.done < len(a.asked) && p.suspended[a] == 0 && !p.stoppingLocked():
		p.failLocked("%v is blocked, and %d of %d interrupts are done", a.d, a.done, len(a.asked))
	}
}

// stoppingLocked reports whether a stop may be in progress, or about to be.
func (p *stwProgram) stoppingLocked() bool {
	for _, op := range p.ops {
		if !op.over && (op.what == "RunOnAll" || op.what == "TryRunOnAll" || op.what == "Stop") {
			return true
		}
	}
	for _, s := range p.stops {
		if s.async && len(s.ended) < s.participants {
			return true
		}
	}
	return p.held
}

// excusedLocked reports whether an operation may have to wait for something that the program has
// yet to do.
func (p *stwProgram) excusedLocked(op *stwOp) bool {
	if op.what == "Close" {
		return slices.ContainsFunc(p.actors, func(a *actor) bool { return !a.dead })
	}
	if op.givenUp && op.actorless() {
		return false
	}
	suspended := false
	for a, n := range p.suspended {
		suspended = suspended || n > 0 && (op.actor == a || op.what == "Poll")
	}
	if op.givenUp {
		// Its actor takes part in a stop that is not given up, or is suspended.
		return p.gated > 0 || suspended || p.suspendingLocked(op.actor) || p.held ||
			slices.ContainsFunc(p.stops, func(s *stopSection) bool { return len(s.ended) < s.participants }) ||
			slices.ContainsFunc(p.ops, func(o *stwOp) bool {
				return !o.over && !o.givenUp && (o.what == "RunOnAll" || o.what == "TryRunOnAll" || o.what == "Stop")
			})
	}
	running := slices.ContainsFunc(p.actors, func(a *actor) bool { return a.running })
	reading := p.section != nil
	if op.what == "Poll" || op.what == "EnterBlocking" || op.what == "LeaveBlocking" || op.what == "ending" || op.what == "coming" {
		// Nothing but a stop or a suspension holds these up.
		return suspended || p.suspendingLocked(op.actor) || p.stoppingLocked() || p.gated > 0
	}
	// Other suspended domains hold up none.
	return p.held || p.gated > 0 || suspended || running || reading || p.suspendingLocked(op.actor)
}

// suspendingLocked reports whether the actor is about to be suspended.
func (p *stwProgram) suspendingLocked(a *actor) bool {
	return slices.ContainsFunc(p.ops, func(op *stwOp) bool { return op.what == "Suspend" && op.actor == a && !op.over })
}

func (p *stwProgram) checkCallLocked(c *stwCallback) {
	held := c.section != nil && c.section == p.section
	for a, period := range c.holders {
		held = held || a.running && a.period == period
	}
	if c.ran > 1 || c.ran == 1 && held {
		p.failLocked("a callback ran %d times, though a section is open from before its Call: %v", c.ran, held)
	}
	if c.ran == 1 {
		c.holders, c.section = nil, nil
	}
}

package stw

import (
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/sched"
)

// Poll is a safe point: the domain holds nothing that others must not touch, and
// no protected pointer; and does what was asked of it meanwhile. Owner. A domain
// that runs must call it often, since others wait for that.
//
// Cost: one load and a branch, unless something was asked; inlined, but on 32-bit
// processors.
func (d *Domain) Poll() {
	if d.pending.Load() != 0 || invariants.Enabled {
		d.pollSlow()
	}
}

// Relax is Poll for the body of a loop that waits for another goroutine: it lets
// others run. Owner.
func (d *Domain) Relax() {
	d.Poll()
	sched.Gosched()
}

// pollSlow does what is asked.
//
//go:noinline
func (d *Domain) pollSlow() {
	p := d.currentPhase()
	if p.inService() {
		return // inside what is being done at a safe point
	}
	p.mustRun("Poll")
	d.check("Poll")
	asked := d.pending.Load() != 0
	d.clearPending()
	d.readers.quiesce()
	d.serve()
	if asked {
		sched.Gosched() // whoever asked may be waiting for this processor
	}
	d.passPanic()
}

// clearPending is called before the owner looks at what is asked, and before its
// readers state that they are quiescent, or come online: what is asked from then
// on sets pending again.
func (d *Domain) clearPending() { d.pending.Store(0) }

// serve does, at a safe point of the owner's, all that is asked.
func (d *Domain) serve() {
	d.mu.Lock()
	if len(d.noted.panics) > 0 {
		d.pending.Or(asked) // to be passed on by the next poll, if not by this one
	}
	if !d.noted.any() {
		d.mu.Unlock()
		return
	}
	d.becomeLocked(serving)
	exits := true
	defer func() {
		if exits { // a function called Goexit, with mu released
			d.mu.Lock()
		}
		d.becomeLocked(running)
		if d.noted.any() { // for the next poll, by deferred code for one
			d.pending.Or(asked)
		}
		d.checkLocked()
		d.mu.Unlock()
	}()
	d.serveLocked(d.noted.due())
	exits = false
}

// serveLocked does what is due, and keeps the domain here while it is suspended. If a
// function ends the goroutine, code that its user deferred is kept from running as long.
func (d *Domain) serveLocked(left due) {
	exits := true
	defer func() {
		if exits {
			d.mu.Lock()
			d.serveLocked(due{})
			d.mu.Unlock()
		}
	}()
	for d.stepLocked(&left) || d.suspendLocked(&left) {
	}
	exits = false
}

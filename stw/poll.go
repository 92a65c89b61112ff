package stw

import (
	"time"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/sched"
)

// Poll is a safe point: it serves what was asked of the domain, which must hold no protected
// pointer and nothing that others may touch in a stop. A running domain must call Poll often,
// because others wait for it. Call it only from the domain's own goroutine.
//
// Cost: one load and a branch unless something is asked; inlined, except on 32-bit processors.
func (d *Domain) Poll() {
	if d.pending.Load() != 0 || invariants.Enabled {
		d.pollSlow()
	}
}

// Relax is Poll for a loop that waits for another goroutine: it also yields the processor. Call it
// only from the domain's own goroutine.
func (d *Domain) Relax() {
	d.Poll()
	sched.Gosched()
}

// pollSlow is the part of Poll that serves requests.
//
//go:noinline
func (d *Domain) pollSlow() {
	p := d.currentPhase()
	if p.inService() {
		return // called by a handler or an interrupt function
	}
	p.mustRun("Poll")
	d.check("Poll")
	was := d.pending.Load()
	d.clearPending()
	d.readers.quiesce()
	d.serve()
	if was != 0 {
		d.yield(was&quiescent != 0)
	}
	d.passPanic()
}

// yield lets others run: the goroutine that asked may be waiting for this processor. If that was a
// grace period, domains that have yet to answer it may be waiting, too. The domain is offline
// meanwhile: until it runs again, which may take many time slices, grace periods do not wait for it.
func (d *Domain) yield(toGracePeriod bool) {
	d.readers.goOffline()
	sched.Gosched()
	yieldWhile(toGracePeriod, func() bool { return d.pending.Load() == 0 && d.readers.awaited() })
	d.readers.goOnline()
}

// clearPending makes later requests set pending again. The owner calls it before it reads the
// notes, and before its readers state that they are quiescent or come online.
func (d *Domain) clearPending() { d.pending.Store(0) }

// serve serves all requests at a safe point of the owner.
func (d *Domain) serve() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.noted.panics) > 0 {
		d.pending.Or(asked) // the next poll passes on what this one does not
	}
	if !d.noted.any() {
		return
	}
	d.becomeLocked(serving)
	defer func() { // also if a function calls Goexit
		d.becomeLocked(running)
		if d.noted.any() { // for the next poll, which may be in a deferred function
			d.pending.Or(asked)
			d.passed = time.Now()
		}
		d.checkLocked()
	}()
	d.serveLocked(d.noted.due())
}

// serveLocked serves what left allows, and sleeps while the domain is suspended, even after a
// function has called Goexit: what the user deferred must not run before Resume.
func (d *Domain) serveLocked(left due) {
	exits := true
	defer func() {
		if exits {
			d.serveLocked(due{})
		}
	}()
	for d.stepLocked(&left) || d.suspendLocked(&left) {
	}
	exits = false
}

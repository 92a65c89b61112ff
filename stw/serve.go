package stw

import (
	"github.com/gosmr/gosmr/internal/sched"
)

// A stand-in does what is asked of a blocked domain: a goroutine that exists only while
// there is something to do, or the caller of ForEach. A domain has one at the most, as its
// phase says. A stand-in takes part in one stop, or does the rest that is asked when it
// begins, and another one follows if there is more by then. In between the domain comes
// back or ends, however often it is asked: its owner waits in LeaveBlocking for the end of
// one service, and the end of a service takes an ending domain out of the world.

// beginServiceLocked makes a stand-in act for the domain, if it is blocked or ending and none
// does, and reports whether it did. The caller starts that, or is it.
func (d *Domain) beginServiceLocked() bool {
	switch d.phase {
	case blocked:
		d.becomeLocked(served)
	case ending:
		d.becomeLocked(endingServed)
	default:
		return false
	}
	return true
}

// serveBlocked is the stand-in that takes part in a stop, if one is asked for, and
// otherwise does the rest.
func (d *Domain) serveBlocked() {
	d.mu.Lock()
	s := d.noted.stop
	d.noted.stop = nil
	d.mu.Unlock()
	if s == nil {
		d.serveRest()
		return
	}
	// The service ends before the section does: the last one out finds each ending domain
	// free to leave, if nothing else is asked of it.
	defer s.exit()
	defer d.endService(false)
	s.handle(d)
}

// serveRest is the stand-in that does what is asked but for stops, which it leaves to the
// next one: so stops in a row hold up no ragged barrier and no interrupt.
func (d *Domain) serveRest() {
	defer d.endService(true) // also when a function calls Goexit
	d.mu.Lock()
	left := d.noted.due()
	left.stop = false
	for d.phase != returning && d.stepLocked(&left) {
	}
	d.mu.Unlock()
}

// serveRagged is the caller of ForEach as the stand-in, for r only, the first in the list.
func (d *Domain) serveRagged(r *ragged) {
	defer d.endService(true) // also if the function ends the goroutine
	d.mu.Lock()
	d.noted.ragged = d.noted.ragged[1:]
	d.mu.Unlock()
	r.run(d)
}

// endService is the last thing that a stand-in does with the domain. It starts another one
// if there is more to do.
func (d *Domain) endService(stopNext bool) {
	d.mu.Lock()
	if d.phase != endingServed {
		d.endServiceLocked(stopNext)
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	// Under the world's lock nothing is asked between the end of the service and the look
	// at whether the domain may leave.
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.mu.Lock()
	d.endServiceLocked(stopNext)
	d.mu.Unlock()
	d.w.dismissLocked(d)
}

// endServiceLocked ends a service, or starts the next one. With stopNext, after one that left
// stops out, a stop comes before the rest: so neither of the two holds up the other.
func (d *Domain) endServiceLocked(stopNext bool) {
	n := &d.noted
	n.held = n.suspends > 0
	switch {
	case d.phase == returning: // the owner does what there is
		d.becomeLocked(running)
	case n.rest() && !(stopNext && n.stop != nil):
		sched.Go(d.serveRest)
	case n.stop != nil:
		sched.Go(d.serveBlocked)
	case d.phase == served:
		d.becomeLocked(blocked)
	default:
		d.becomeLocked(ending)
	}
	d.changed.Broadcast()
	d.checkLocked()
}

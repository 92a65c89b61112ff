package stw

import (
	"github.com/gosmr/gosmr/internal/sched"
)

// A stand-in does what is asked of a blocked domain: a goroutine that exists only while
// there is something to do, or the caller of ForEach. A domain has one at the most, which
// served says. A stand-in takes part in one stop, or does the rest that is asked when it
// begins, and another one follows if there is more by then. In between the domain comes
// back or ends, however often it is asked: its owner waits in LeaveBlocking for the end of
// one service, and the end of a service takes an ending domain out of the world.

// unservedLocked reports whether the domain is blocked and waits for a stand-in if asked.
// An owner that is coming back does itself what is asked from then on.
func (d *Domain) unservedLocked() bool {
	return d.state == Blocked && !d.served && !d.returning
}

// serveBlocked is the stand-in that takes part in a stop, if one is asked for, and
// otherwise does the rest.
func (d *Domain) serveBlocked() {
	d.mu.Lock()
	s := d.stop
	if s == nil {
		d.mu.Unlock()
		d.serveRest()
		return
	}
	d.stop = nil
	d.serving.Store(true)
	d.mu.Unlock()
	// The service ends before the section does: the last one out finds each ending domain
	// free to leave, if nothing else is asked of it.
	defer s.leave()
	defer d.endService(false)
	s.handle(d)
}

// serveRest is the stand-in that does what is asked but for stops, which it leaves to the
// next one: so stops in a row hold up no ragged barrier and no interrupt.
func (d *Domain) serveRest() {
	defer d.endService(true) // also when a function calls Goexit
	d.mu.Lock()
	d.serving.Store(true)
	left := d.dueLocked()
	left.stop = false
	for !d.returning && d.stepLocked(&left) {
	}
	d.mu.Unlock()
}

// serveRagged is the caller of ForEach as the stand-in, for r only, the first in the list.
func (d *Domain) serveRagged(r *ragged) {
	defer d.endService(true) // also if the function ends the goroutine
	d.mu.Lock()
	d.ragged = d.ragged[1:]
	d.serving.Store(true)
	d.mu.Unlock()
	r.run(d)
}

// endService is the last thing that a stand-in does with the domain. It starts another one
// if there is more to do.
func (d *Domain) endService(stopNext bool) {
	d.mu.Lock()
	if !d.ending {
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
	d.w.letGoLocked(d)
}

// endServiceLocked ends a service, or starts the next one. With stopNext, after one that left
// stops out, a stop comes before the rest: so neither of the two holds up the other.
func (d *Domain) endServiceLocked(stopNext bool) {
	d.serving.Store(false)
	d.held = d.suspends > 0
	rest := len(d.ragged) > 0 || d.suspends == 0 && (len(d.interrupts) > 0 || d.external)
	switch {
	case d.returning: // the owner goes on with it
		d.served = false
	case rest && !(stopNext && d.stop != nil):
		sched.Go(d.serveRest)
	case d.stop != nil:
		sched.Go(d.serveBlocked)
	default:
		d.served = false
	}
	d.changed.Broadcast()
	d.checkLocked()
}

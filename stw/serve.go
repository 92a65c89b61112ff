package stw

import "github.com/gosmr/gosmr/internal/sched"

// A stand-in serves requests to a blocked or ending domain: a goroutine that exists only while
// there are any, or the caller of ForEach. A domain has at most one; its phase says whether. A
// service is short: it takes part in one stop, or serves the other requests that are there when it
// begins. If more have come when it ends, the next service follows. But an owner that waits in
// LeaveBlocking comes back after one service, and serves the rest itself.

// beginServiceLocked begins a service if the domain is blocked or ending, and reports whether it
// did. The caller then starts the stand-in, or is it.
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

// serveBlocked is a stand-in that takes part in a stop or, if there is none, serves the rest.
func (d *Domain) serveBlocked() {
	d.mu.Lock()
	s := d.noted.stop
	d.noted.stop = nil
	if s != nil {
		d.doing = s
	}
	d.mu.Unlock()
	if s == nil {
		d.serveRest()
		return
	}
	// The service ends before the stop, so that the end of the stop can dismiss the domain.
	defer s.exit()
	defer d.endService(false)
	s.handle(d)
}

// serveRest is a stand-in that serves all requests but stops.
func (d *Domain) serveRest() {
	defer d.endService(true) // also if a function calls Goexit
	d.mu.Lock()
	defer d.mu.Unlock()
	left := d.noted.due()
	left.stop = false
	for d.phase != returning && d.stepLocked(&left) {
	}
}

// serveRagged makes the caller of ForEach the stand-in. It serves only r, which was noted first.
func (d *Domain) serveRagged(r *ragged) {
	defer d.endService(true) // also if the function calls Goexit
	d.mu.Lock()
	d.noted.ragged = d.noted.ragged[1:]
	d.doing = r
	d.mu.Unlock()
	r.run(d)
}

// endService ends a service, or starts the next one if there are more requests. The stand-in does
// not touch the domain afterwards.
func (d *Domain) endService(stopNext bool) {
	d.mu.Lock()
	if d.phase != endingServed {
		defer d.mu.Unlock()
		d.endServiceLocked(stopNext)
		return
	}
	d.mu.Unlock()
	// No stop and no ragged barrier can begin under the world's lock, so none comes between the
	// end of the service and the dismissal.
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.mu.Lock()
	d.endServiceLocked(stopNext)
	d.mu.Unlock()
	d.w.dismissLocked(d)
}

// endServiceLocked is endService under mu. If the service left out stops (stopNext), a stop comes
// next, otherwise the rest, so that neither holds up the other.
func (d *Domain) endServiceLocked(stopNext bool) {
	n := &d.noted
	d.doing = nil
	n.held = n.suspends > 0
	switch {
	case d.phase == returning: // the owner serves the rest
		if n.any() { // ForEach does not ask the owner if its caller is the stand-in
			d.pending.Or(asked)
		}
		d.becomeLocked(running)
	case n.rest() && !(stopNext && n.stop != nil):
		sched.Go(d.serveRest)
	case n.stop != nil:
		sched.Go(d.serveBlocked)
	case d.phase == served:
		d.becomeLocked(blocked)
		d.unaskLocked()
	default:
		d.becomeLocked(ending)
	}
	d.changed.Broadcast()
	d.checkLocked()
}

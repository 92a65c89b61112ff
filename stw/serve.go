package stw

import (
	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/internal/sched"
)

// What is asked of a blocked domain is done by a stand-in: a goroutine that exists only
// while there is something to do, or the caller of ForEach. There is at most one, which
// served says. It does what is asked when it begins, and is followed by another if more is
// asked by then; so that the domain can come back, or end, in between, however often it
// is asked: an owner that wants to come back waits for the end of one service, and a
// domain that ends is let go at that moment, under the world's lock.

// unservedLocked reports whether the domain is blocked and nobody acts for it, nor is
// about to: an owner that is coming back does itself what is asked from then on.
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
	// The service ends before the section may: when the last one out lets go the domains
	// that end, it meets none that is served for this section's sake.
	defer s.leave()
	defer d.endService()
	s.handle(d)
}

// serveRest is the stand-in that does what is asked but for stops, which it leaves to the
// next one: stops in a row do not keep a ragged barrier or an interrupt from its turn.
func (d *Domain) serveRest() {
	defer d.endService() // also when a function calls Goexit
	d.mu.Lock()
	d.serving.Store(true)
	left := d.dueLocked()
	left.stop = false
	for !d.returning && d.stepLocked(&left) {
	}
	d.mu.Unlock()
}

// serveRagged acts for a blocked domain, as the caller of ForEach, as far as r is
// concerned, the first in its list.
func (d *Domain) serveRagged(r *ragged) {
	defer d.endService() // also if the function ends the goroutine
	d.mu.Lock()
	d.ragged = d.ragged[1:]
	d.serving.Store(true)
	d.mu.Unlock()
	r.run(d)
}

// endService ends somebody's acting for a blocked domain, who must not touch it any more,
// and leaves it to another goroutine if there is more to do.
func (d *Domain) endService() {
	d.mu.Lock()
	if !d.ending {
		d.endServiceLocked()
		d.mu.Unlock()
		return
	}
	d.mu.Unlock()
	// It may leave if nothing is asked of it at this moment: nobody asks meanwhile.
	d.w.mu.Lock()
	defer d.w.mu.Unlock()
	d.mu.Lock()
	d.endServiceLocked()
	d.mu.Unlock()
	if !mutant.Is(mutant.ServedStays) {
		d.w.letGoLocked(d)
	}
}

func (d *Domain) endServiceLocked() {
	d.serving.Store(false)
	d.held = d.suspends > 0
	rest := len(d.ragged) > 0 || d.suspends == 0 && (len(d.interrupts) > 0 || d.external)
	switch {
	case d.returning: // the owner goes on with it
		d.served = false
	case rest:
		sched.Go(d.serveRest)
	case d.stop != nil:
		sched.Go(d.serveBlocked)
	default:
		d.served = false
	}
	d.changed.Broadcast()
	d.checkLocked()
}

package stw

import "github.com/gosmr/gosmr/internal/sched"

// noted has the requests to a domain that have yet to be served. Domain.mu guards it.
type noted struct {
	stop       *Stop
	ragged     []*ragged
	interrupts []func(*Domain)
	external   bool     // InterruptExternal
	deferred   int      // calls of WithoutInterrupts that have not returned: interrupts wait
	suspends   int      // suspensions without their Resume
	held       bool     // the suspension is in force: see phase
	panics     []*Panic // for the owner to pass on
}

// any reports whether there is a request, other than interrupts that are deferred.
func (n *noted) any() bool {
	return n.stop != nil || len(n.ragged) > 0 || n.suspends > 0 || n.interrupted()
}

// rest reports whether a request other than a stop can be served now.
func (n *noted) rest() bool {
	return len(n.ragged) > 0 || n.suspends == 0 && n.interrupted()
}

// interrupted reports whether there is an interrupt that is not deferred.
func (n *noted) interrupted() bool {
	return n.deferred == 0 && (len(n.interrupts) > 0 || n.external)
}

// due limits what is done at one safe point, or by one stand-in, to the requests that are there
// when it begins. Later ones wait for the next safe point: they may come for ever, when functions
// ask for more interrupts or one stop follows another, and the domain would never leave this one.
type due struct {
	stop       bool
	ragged     int
	interrupts int
	external   bool
}

// due returns the requests that are there now.
func (n *noted) due() due { return due{true, len(n.ragged), len(n.interrupts), n.external} }

// askLocked, called after a request is noted, makes the owner or a stand-in serve it.
func (d *Domain) askLocked() {
	d.pending.Or(asked)
	switch {
	case d.beginServiceLocked():
		sched.Go(d.serveBlocked)
	case d.phase == suspended:
		d.changed.Broadcast()
	}
}

// stepLocked serves one request, with mu released, takes it off left, and reports whether there was
// one. Stops and ragged barriers come first: others wait for them. A suspended domain serves no
// others.
func (d *Domain) stepLocked(left *due) bool {
	n := &d.noted
	switch {
	case n.stop != nil && left.stop:
		s := n.stop
		n.stop, left.stop = nil, false
		d.unlocked(s, func() {
			s.takePart(d)
			yieldWhile(s.spins == 0, func() bool { return !s.ended.Load() })
		})
	case len(n.ragged) > 0 && left.ragged > 0:
		left.ragged--
		r := n.ragged[0]
		n.ragged = n.ragged[1:]
		d.unlocked(r, func() {
			r.run(d)
			yieldWhile(r.spins == 0, func() bool { return r.left.Load() > 0 })
		})
	case n.suspends > 0 || n.deferred > 0:
		return false
	case len(n.interrupts) > 0 && left.interrupts > 0:
		left.interrupts--
		fn := n.interrupts[0]
		n.interrupts = n.interrupts[1:]
		const what = "an interrupt function"
		d.unlocked(what, func() { d.runForOwner(what, fn) })
	case n.external && left.external:
		n.external, left.external = false, false
		const what = "the external interrupt hook"
		d.unlocked(what, func() { d.runForOwner(what, d.w.opts.ExternalInterrupt) })
	default:
		return false
	}
	return true
}

// unlocked runs do, which may run user code, without mu. doing is for Domain.doing.
func (d *Domain) unlocked(doing any, do func()) {
	d.doing = doing
	d.checkLocked()
	d.mu.Unlock()
	defer func() { // also if do calls Goexit
		d.mu.Lock()
		d.doing = nil
	}()
	do()
}

// runForOwner runs fn at a safe point and notes its panic for the owner.
func (d *Domain) runForOwner(what string, fn func(*Domain)) {
	if p := d.catchOnline(what, fn); p != nil {
		d.notePanic(p)
	}
}

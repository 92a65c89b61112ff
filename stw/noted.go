package stw

import "github.com/gosmr/gosmr/internal/sched"

// noted has the requests to a domain that are still to be served. Domain.mu guards it.
type noted struct {
	stop       *Stop     // the domain has yet to take part in it
	ragged     []*ragged // the domain has yet to run their functions
	interrupts []func(*Domain)
	external   bool     // the domain has yet to call the hook
	suspends   int      // suspensions that are not resumed yet
	held       bool     // the suspension is in force: see phase
	panics     []*Panic // for the owner to pass on
}

// any reports whether there is a request.
func (n *noted) any() bool {
	return n.stop != nil || len(n.ragged) > 0 || n.suspends > 0 || len(n.interrupts) > 0 || n.external
}

// rest reports whether a request other than a stop can be served now.
func (n *noted) rest() bool {
	return len(n.ragged) > 0 || n.suspends == 0 && (len(n.interrupts) > 0 || n.external)
}

// due limits what is done at one safe point, or by one stand-in, to the requests that are there
// at its beginning. New ones may arrive for ever: a function may ask for the next, and one stop
// may follow another. They wait for the next safe point, or the domain would never leave this
// one.
type due struct {
	stop       bool
	ragged     int
	interrupts int
	external   bool
}

// due returns the requests that are there now.
func (n *noted) due() due { return due{true, len(n.ragged), len(n.interrupts), n.external} }

// askLocked is called after a request is noted. It sets pending, and wakes a suspended owner or
// starts a stand-in.
func (d *Domain) askLocked() {
	d.pending.Or(asked)
	switch {
	case d.beginServiceLocked():
		sched.Go(d.serveBlocked)
	case d.phase == suspended:
		d.changed.Broadcast()
	}
}

// stepLocked serves one request, with mu released meanwhile, and takes it off left. It reports
// whether there was one to serve. Stops and ragged barriers come first, because others wait for
// them; a suspended domain serves nothing else.
func (d *Domain) stepLocked(left *due) bool {
	n := &d.noted
	switch {
	case n.stop != nil && left.stop:
		s := n.stop
		n.stop, left.stop = nil, false
		d.unlocked(func() {
			s.takePart(d)
			yieldWhile(s.spins == 0, func() bool { return !s.ended.Load() })
		})
	case len(n.ragged) > 0 && left.ragged > 0:
		left.ragged--
		r := n.ragged[0]
		n.ragged = n.ragged[1:]
		d.unlocked(func() {
			r.run(d)
			yieldWhile(r.spins == 0, func() bool { return r.left.Load() > 0 })
		})
	case n.suspends > 0:
		return false
	case len(n.interrupts) > 0 && left.interrupts > 0:
		left.interrupts--
		fn := n.interrupts[0]
		n.interrupts = n.interrupts[1:]
		d.unlocked(func() { d.runForOwner("an interrupt function", fn) })
	case n.external && left.external:
		n.external, left.external = false, false
		d.unlocked(func() { d.runForOwner("the external interrupt hook", d.w.opts.ExternalInterrupt) })
	default:
		return false
	}
	return true
}

// unlocked runs do, which may run user code, without mu.
func (d *Domain) unlocked(do func()) {
	d.checkLocked()
	d.mu.Unlock()
	defer d.mu.Lock() // also if do calls Goexit
	do()
}

// runForOwner runs fn at a safe point and notes its panic for the owner.
func (d *Domain) runForOwner(what string, fn func(*Domain)) {
	if p := d.catchOnline(what, fn); p != nil {
		d.notePanic(p)
	}
}

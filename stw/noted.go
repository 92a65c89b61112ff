package stw

import "github.com/gosmr/gosmr/internal/sched"

// noted is what is asked of a domain, and has yet to be done. Domain.mu guards it.
type noted struct {
	stop       *Stop // to take part in
	ragged     []*ragged
	interrupts []func(*Domain)
	external   bool     // the hook is to be called
	suspends   int      // how often it is suspended
	held       bool     // others may rely on that: see phase
	panics     []*Panic // to be passed on to the owner
}

// any reports whether anything is asked of the domain.
func (n *noted) any() bool {
	return n.stop != nil || len(n.ragged) > 0 || n.suspends > 0 || len(n.interrupts) > 0 || n.external
}

// rest reports whether anything may be done now but to take part in a stop.
func (n *noted) rest() bool {
	return len(n.ragged) > 0 || n.suspends == 0 && (len(n.interrupts) > 0 || n.external)
}

// due is what may be done at one safe point, or by one stand-in: what is asked when that
// begins. There may be more at its end: each function may ask for the next, and each stop is
// followed by another where domains lead one after the other. That is for the next safe point,
// or the domain would stay at this one.
type due struct {
	stop       bool
	ragged     int
	interrupts int
	external   bool
}

// due returns what is asked now.
func (n *noted) due() due { return due{true, len(n.ragged), len(n.interrupts), n.external} }

// askLocked is called after something was noted. It sets pending, wakes the suspended owner, or
// starts a stand-in for a blocked domain.
func (d *Domain) askLocked() {
	d.pending.Or(asked)
	switch {
	case d.beginServiceLocked():
		sched.Go(d.serveBlocked)
	case d.phase == suspended:
		d.changed.Broadcast()
	}
}

// stepLocked does the next of what is asked, with mu released meanwhile, and
// reports whether there was anything that may be done now. Stops and functions of
// ragged barriers go first, since others wait for each; a suspended domain gets
// no further than that. What it did it takes off left.
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

// unlocked runs do, which may run code of the user's, without mu. If that ends the
// goroutine, mu stays released.
func (d *Domain) unlocked(do func()) {
	d.checkLocked()
	d.mu.Unlock()
	do()
	d.mu.Lock()
}

// runForOwner runs a function at a safe point. Its panic is passed on to the owner,
// when nothing is left to be done.
func (d *Domain) runForOwner(what string, fn func(*Domain)) {
	if p := d.catchOnline(what, fn); p != nil {
		d.notePanic(p)
	}
}

package stw

import (
	"fmt"
	"runtime/debug"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/sync"
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

//go:noinline
func (d *Domain) pollSlow() {
	if d.serving.Load() {
		return // inside what is being done at a safe point
	}
	d.mustRun("Poll")
	d.check("Poll")
	asked := d.pending.Load() != 0
	d.clearPending()
	for _, q := range d.readers {
		q.Quiesce()
	}
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
	if len(d.panics) > 0 {
		d.pending.Or(asked) // to be passed on by the next poll, if not by this one
	}
	if !d.askedLocked() {
		d.mu.Unlock()
		return
	}
	d.serving.Store(true)
	done := false
	defer func() {
		d.serving.Store(false)
		if !done { // a function called Goexit: deferred code may poll
			d.pending.Or(asked)
			d.mu.Lock()
			for left := d.dueLocked(); d.suspends > 0 && (d.suspendLocked(&left) && d.suspends > 0 && d.stepLocked(&left)); {
			}
			d.mu.Unlock()
		}
	}()
	for left := d.dueLocked(); d.stepLocked(&left) || d.suspendLocked(&left); {
	}
	if d.askedLocked() {
		d.pending.Or(asked)
	}
	d.checkLocked()
	d.mu.Unlock()
	done = true
}

// askedLocked reports whether anything is asked of the domain.
func (d *Domain) askedLocked() bool {
	return d.stop != nil || len(d.ragged) > 0 || d.suspends > 0 || len(d.interrupts) > 0 || d.external
}

// due is what may be done yet at one safe point: what is asked when that begins. There
// may be more at its end: each function may ask for the next, and each stop is followed by
// another where domains lead one after the other. That is for the next safe point, or the
// domain would stay at this one.
type due struct {
	stop       bool
	ragged     int
	interrupts int
	external   bool
}

func (d *Domain) dueLocked() due {
	return due{true, len(d.ragged), len(d.interrupts), d.external}
}

// stepLocked does the next of what is asked, with mu released meanwhile, and
// reports whether there was anything that may be done now. Stops and functions of
// ragged barriers go first, since others wait for each; a suspended domain gets
// no further than that. What it did it takes off left.
func (d *Domain) stepLocked(left *due) bool {
	switch {
	case d.stop != nil && left.stop:
		s := d.stop
		d.stop, left.stop = nil, false
		d.unlocked(func() {
			s.takePart(d)
			yieldWhile(s.spins == 0, func() bool { return !s.ended.Load() })
		})
	case len(d.ragged) > 0 && left.ragged > 0:
		left.ragged--
		r := d.ragged[0]
		d.ragged = d.ragged[1:]
		d.unlocked(func() {
			r.run(d)
			yieldWhile(r.spins == 0, func() bool { return r.left.Load() > 0 })
		})
	case d.suspends > 0:
		return false
	case len(d.interrupts) > 0 && left.interrupts > 0:
		left.interrupts--
		fn := d.interrupts[0]
		d.interrupts = d.interrupts[1:]
		d.unlocked(func() { d.runForOwner("an interrupt function", fn) })
	case d.external && left.external:
		d.external, left.external = false, false
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

// catchOnline runs a function at a safe point, online, so that it may use
// [Domain.Section], and returns its panic, if it does.
func (d *Domain) catchOnline(what string, fn func(*Domain)) *Panic {
	if d.offline {
		d.goOnline()
		defer d.goOffline()
	}
	return catch(d, what, func() { fn(d) })
}

// notePanic has a panic passed on to the owner, at its next poll at the latest.
func (d *Domain) notePanic(p *Panic) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.panics = append(d.panics, p)
	d.pending.Or(asked)
}

// askLocked is called after something was noted. It wakes the suspended domain, or starts
// a stand-in for the blocked one.
func (d *Domain) askLocked() {
	d.pending.Or(asked)
	switch {
	case d.unservedLocked():
		d.served = true
		sched.Go(d.serveBlocked)
	case d.state == Suspended:
		d.changed.Broadcast()
	}
}

// passPanic panics, on the owner's goroutine, with what a function that was run
// for it panicked with.
func (d *Domain) passPanic() {
	d.mu.Lock()
	if len(d.panics) == 0 {
		d.mu.Unlock()
		return
	}
	p := d.panics[0]
	d.panics = d.panics[1:]
	if len(d.panics) > 0 {
		d.pending.Or(asked) // the next poll passes on the next
	}
	d.mu.Unlock()
	panic(p)
}

// A Panic is what a panic in a function that was run for another goroutine is
// passed on as: of a handler to the domain that led the stop, of an interrupt
// function to the domain that it interrupted, of a ragged barrier's function to
// the caller of ForEach.
type Panic struct {
	Domain uint64 // for whom it was run
	What   string // what was run
	Value  any    // what it panicked with
	Stack  []byte // where

	// Also has the panics of others in the same stop or ragged barrier.
	Also []*Panic
}

func (p *Panic) Error() string {
	return fmt.Sprintf("stw: %s panicked for domain %d: %v\n\n%s", p.What, p.Domain, p.Value, p.Stack)
}

// Unwrap returns the value if it is an error.
func (p *Panic) Unwrap() error {
	err, _ := p.Value.(error)
	return err
}

// failures are the panics of what was run for several domains: the first, with the
// others in its Also. first is read when all have run.
type failures struct {
	mu    sync.Mutex
	first *Panic
}

func (f *failures) add(p *Panic) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.first == nil {
		f.first = p
	} else {
		f.first.Also = append(f.first.Also, p)
	}
}

// catch runs fn and returns its panic, if it does. It lets Goexit pass.
func catch(d *Domain, what string, fn func()) (p *Panic) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if v := recover(); v != nil {
			p = &Panic{Domain: d.id, What: what, Value: v, Stack: debug.Stack()}
		}
	}()
	fn()
	returned = true
	return nil
}

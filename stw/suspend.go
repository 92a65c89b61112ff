package stw

import "context"

// Suspend holds the domain at its next safe point until [Domain.Resume], and returns when the
// domain is there. A blocked domain is held at once: it cannot come back from Blocking. Interrupts
// wait for Resume; stops and ragged barriers do not. If the domain waits to lead a stop, others
// lead before it. Suspensions count: each needs its own Resume. After [World.Stop], Suspend waits
// for Start unless the domain is already suspended.
//
// Suspend returns [ErrDead] if the domain is ending or has ended, and ctx.Err() if ctx ends first;
// then it has not suspended the domain.
//
// A domain may call it only in [Domain.Blocking], not on itself, and must call Resume before it comes
// back: otherwise two domains may suspend each other, by Suspend or SuspendOthers, and neither comes
// back to resume the other.
func (d *Domain) Suspend(ctx context.Context) error {
	d.w.checkOutside("Suspend")
	if err := ctx.Err(); err != nil {
		return err
	}
	if !d.askToSuspend(phase.refuses) {
		return ErrDead
	}
	err := d.waitSuspended(ctx, "Suspend")
	if err != nil && err != ErrDead {
		d.resume()
	}
	return err
}

// isDead reports whether the domain is no longer part of the world.
func (p phase) isDead() bool { return p == dead }

// askToSuspend notes a suspension, unless the domain refuses.
func (d *Domain) askToSuspend(refuses func(phase) bool) (noted bool) {
	d.mu.Lock()
	if refuses(d.phase) {
		d.mu.Unlock()
		return false
	}
	d.noted.suspends++
	if d.phase == suspended || d.phase == blocked {
		d.noted.held = true
		d.pending.Or(asked) // read when the domain comes back from Blocking
	} else {
		d.askLocked()
	}
	d.checkLocked()
	d.mu.Unlock()
	d.w.suspensionChanged(d)
	return true
}

// suspended reports whether the domain is suspended or will be at its next safe point.
func (d *Domain) suspended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.noted.suspends > 0
}

// waitSuspended waits until the domain is held. op is the method that waits. It returns ctx.Err() if
// ctx ends first, and ErrDead if the domain has ended.
func (d *Domain) waitSuspended(ctx context.Context, op string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	x := wait{ctx, d.w, op, suspensionWait{d}}
	err := x.on(&d.changed, func() bool { return d.noted.held || d.phase == dead })
	if err == nil && d.phase == dead {
		return ErrDead
	}
	return err
}

// Resume undoes one Suspend. It panics if the domain is not suspended.
func (d *Domain) Resume() {
	checkMayBlock("Resume")
	d.resume()
}

// resume is Resume where the caller may not be refused: others depend on it.
func (d *Domain) resume() {
	d.mu.Lock()
	n := &d.noted
	if n.suspends == 0 {
		d.mu.Unlock()
		panic("stw: Resume of a domain that is not suspended")
	}
	n.suspends--
	resumed := n.suspends == 0
	if resumed {
		n.held = false
		if n.any() {
			d.askLocked() // for the requests that waited
		} else {
			d.unaskLocked()
		}
		d.changed.Broadcast()
	}
	d.checkLocked()
	d.mu.Unlock()
	if resumed {
		d.w.suspensionChanged(d)
	}
}

// suspendLocked sleeps while the domain is suspended and no stop or ragged barrier needs it, and
// reports whether it slept: then there may be more to serve. The owner calls it at a safe point.
func (d *Domain) suspendLocked(left *due) bool {
	n := &d.noted
	if n.suspends == 0 {
		return false
	}
	if d.readers.online {
		d.readers.goOffline()
		defer d.readers.goOnline()
	}
	d.becomeLocked(suspended)
	n.held = true
	d.changed.Broadcast()
	d.checkLocked()
	for n.suspends > 0 && n.stop == nil && len(n.ragged) == 0 {
		d.changed.Wait()
	}
	// After a stop or a ragged barrier the domain sleeps again, without running user code between.
	d.becomeLocked(serving)
	left.stop, left.ragged = true, len(n.ragged)
	return true
}

// suspendAll suspends domains, also those that are ending, and returns the ones that have not ended.
// If ctx ends first, it resumes those that it has suspended and returns ctx.Err(). op is the method
// that waits.
func suspendAll(ctx context.Context, op string, domains []*Domain) (held []*Domain, err error) {
	var all []*Domain
	for _, d := range domains {
		if d.askToSuspend(phase.isDead) {
			all = append(all, d)
		}
	}
	for i, d := range all {
		switch err := d.waitSuspended(ctx, op); err {
		case nil:
			held = append(held, d)
		case ErrDead: // it has ended: nothing to suspend
		default:
			resumeAll(append(held, all[i:]...))
			return nil, err
		}
	}
	return held, nil
}

// resumeAll resumes domains or what was suspended together, each even if that panics for another.
func resumeAll[S interface{ resume() }](all []S) {
	defer func() {
		if len(all) > 0 { // the last one has panicked
			resumeAll(all)
		}
	}()
	for len(all) > 0 {
		s := all[0]
		all = all[1:]
		s.resume()
	}
}

// A Suspension is a set of domains that [World.Suspend] or [Domain.SuspendOthers] suspended.
type Suspension struct {
	w       *World
	solo    *Domain   // the only one that may run, or nil after World.Suspend
	domains []*Domain // what Resume resumes; under World.mu as soon as Resume may be called
	resumed bool      // Resume has been called; under World.mu
}

// Suspend suspends every domain that is part of the world when it is called, and returns when each
// is suspended or has ended. One that is ending does not run what is left to do for it before
// Resume. Suspend does not suspend domains that join later, and stops go on; to keep the whole
// world still, use [World.Stop]. If ctx ends first, Suspend resumes the domains that it has
// suspended and returns ctx.Err().
//
// What domains have in Keys is theirs also while they are suspended: to read it use ForEach.
//
// A domain may call it only in [Domain.Blocking]. It suspends the caller too, which must call
// Resume before it comes back; see [Domain.SuspendOthers].
func (w *World) Suspend(ctx context.Context) (*Suspension, error) {
	w.checkOutside("Suspend")
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	held, err := suspendAll(ctx, "Suspend", w.Domains())
	if err != nil {
		return nil, err
	}
	return &Suspension{w: w, domains: held}, nil
}

// Domains returns the domains that s suspends, none after Resume. Do not change the slice.
func (s *Suspension) Domains() []*Domain {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	return s.domains
}

// Resume resumes the domains; a second call does nothing. If [Domain.Resume] has already undone the
// suspension of one of them, Resume resumes the others and panics. Any goroutine may call it.
func (s *Suspension) Resume() {
	checkMayBlock("Resume")
	s.resume()
}

// resume is Resume where the caller may not be refused. The call that resumes the domains also ends the
// turn, so that no new one runs before.
func (s *Suspension) resume() {
	s.w.mu.Lock()
	domains, again := s.domains, s.resumed
	s.domains, s.resumed = nil, true
	s.w.mu.Unlock()
	if again {
		return
	}
	if s.solo != nil {
		defer s.w.endSolo(s)
	}
	resumeAll(domains)
}

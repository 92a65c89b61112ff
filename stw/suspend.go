package stw

import "context"

// Suspend holds the domain at its next safe point until [Domain.Resume], and returns when the
// domain is there. A blocked domain is held at once: it cannot come back from Blocking. Interrupts
// wait for Resume; stops and ragged barriers do not. If the domain waits to lead a stop, others
// lead before it. Suspensions count: each needs its own Resume. After [World.Stop], Suspend waits
// for Start unless the domain is already suspended.
//
// Suspend returns [ErrDead] if the domain is ending or has ended, and ctx.Err() if ctx ends first;
// then it has not suspended the domain. A domain may call it only in [Domain.Blocking], and not on
// itself.
func (d *Domain) Suspend(ctx context.Context) error {
	d.w.checkOutside("Suspend")
	if err := d.askToSuspend(); err != nil {
		return err
	}
	return d.waitSuspended(ctx)
}

// askToSuspend notes a suspension.
func (d *Domain) askToSuspend() error {
	d.mu.Lock()
	if d.phase.refuses() {
		d.mu.Unlock()
		return ErrDead
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
	return nil
}

// suspended reports whether the domain is suspended or will be at its next safe point.
func (d *Domain) suspended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.noted.suspends > 0
}

// waitSuspended waits until the domain is held. If ctx ends first, it undoes askToSuspend.
func (d *Domain) waitSuspended(ctx context.Context) error {
	d.mu.Lock()
	err := waitCond(ctx, &d.changed, func() bool { return d.noted.held || d.phase == dead })
	isDead := d.phase == dead
	d.mu.Unlock()
	switch {
	case err != nil:
		d.Resume()
		return err
	case isDead:
		return ErrDead
	}
	return nil
}

// Resume undoes one Suspend. It panics if the domain is not suspended.
func (d *Domain) Resume() {
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

// A Suspension is a set of domains that [World.Suspend] suspended.
type Suspension struct{ domains []*Domain }

// Suspend suspends every domain that is part of the world when it is called, and returns when each
// is suspended or has ended. It does not suspend domains that join later, and stops go on; to keep
// the whole world still, use [World.Stop]. If ctx ends first, Suspend resumes the domains that it
// has suspended and returns ctx.Err().
//
// A domain may call it only in [Domain.Blocking]. It suspends the caller too, which must call
// Resume before it comes back.
func (w *World) Suspend(ctx context.Context) (*Suspension, error) {
	w.checkOutside("Suspend")
	var all []*Domain
	for _, d := range w.Domains() {
		if d.askToSuspend() == nil {
			all = append(all, d)
		}
	}
	s := new(Suspension)
	for i, d := range all {
		switch err := d.waitSuspended(ctx); err {
		case nil:
			s.domains = append(s.domains, d)
		case ErrDead: // it has ended: nothing to suspend
		default:
			for _, d := range all[i+1:] {
				d.Resume()
			}
			s.Resume()
			return nil, err
		}
	}
	return s, nil
}

// Domains returns the domains that s suspends. Do not change the slice.
func (s *Suspension) Domains() []*Domain { return s.domains }

// Resume resumes the domains; a second call does nothing. If [Domain.Resume] has already undone the
// suspension of one of them, Resume resumes the others and panics.
func (s *Suspension) Resume() {
	defer func() {
		if len(s.domains) > 0 { // the last one has panicked
			s.Resume()
		}
	}()
	for len(s.domains) > 0 {
		d := s.domains[0]
		s.domains = s.domains[1:]
		d.Resume()
	}
}

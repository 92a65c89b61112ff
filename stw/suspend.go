package stw

import (
	"context"
)

// Suspend keeps the domain at a safe point, and returns when it is there: from its
// next one until [Domain.Resume]; or, while it is blocked, in Blocking for that
// long. Interrupt functions wait, stops and ragged barriers do not; if the domain waits to
// lead a stop, others lead before it. Suspensions count. It returns [ErrDead] if the domain
// has ended, or ctx.Err() if ctx ends first; then it is not suspended. While the world is
// stopped by [World.Stop] it waits for Start, unless the domain is suspended already.
//
// A domain must not suspend itself, or call Suspend outside [Domain.Blocking].
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
		d.pending.Or(asked) // it looks when it comes back from Blocking
	} else {
		d.askLocked()
	}
	d.checkLocked()
	d.mu.Unlock()
	d.w.suspended()
	return nil
}

// suspended reports whether the domain is suspended, or will be at its next safe point.
func (d *Domain) suspended() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.noted.suspends > 0
}

// waitSuspended waits for what askToSuspend asked for, or takes that back if ctx ends.
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

// Resume takes back one Suspend. It panics if the domain is not suspended.
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
			d.askLocked() // what waited
		}
		d.changed.Broadcast()
	}
	d.checkLocked()
	d.mu.Unlock()
	if resumed {
		d.w.resumed(d)
	}
}

// suspendLocked waits, as the owner at a safe point, while the domain is suspended,
// or until there is something to do meanwhile. It reports whether to go on looking.
func (d *Domain) suspendLocked(left *due) bool {
	n := &d.noted
	if n.suspends == 0 {
		return false
	}
	online := d.readers.online
	d.readers.goOffline()
	d.becomeLocked(suspended)
	n.held = true
	d.changed.Broadcast()
	d.checkLocked()
	for n.suspends > 0 && n.stop == nil && len(n.ragged) == 0 {
		d.changed.Wait()
	}
	// In a stop or a ragged barrier meanwhile it is serving: it goes back to
	// sleep without having run code of its own.
	d.becomeLocked(serving)
	if online {
		d.readers.goOnline()
	}
	left.stop, left.ragged = true, len(n.ragged)
	return true
}

// A Suspension is a set of domains that were suspended together.
type Suspension struct{ domains []*Domain }

// Suspend suspends every domain that is part of the world when it is called, and
// returns when all of them are, or have ended. Domains that come later are not
// suspended, and stops go on: see [World.Stop] for what keeps the world still. If ctx
// ends first, it resumes those that it has suspended, and returns ctx.Err().
//
// A domain must not call it outside [Domain.Blocking]; it suspends itself, too, and must
// resume inside.
// Idea: the thread ring of the Memory Pool System.
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
		case ErrDead: // tolerated
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

// Domains returns the domains that are suspended by s. It must not be changed.
func (s *Suspension) Domains() []*Domain { return s.domains }

// Resume resumes them. Doing so again does nothing. It panics, having resumed the
// others, if one of them was resumed by [Domain.Resume] more often than suspended.
func (s *Suspension) Resume() {
	domains := s.domains
	s.domains = nil
	for i, d := range domains {
		resumed := false
		func() {
			defer func() {
				if !resumed {
					(&Suspension{domains[i+1:]}).Resume()
				}
			}()
			d.Resume()
			resumed = true
		}()
	}
}

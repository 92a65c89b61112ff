package stw

import (
	"context"
	"slices"
)

// SuspendOthers suspends all other domains of the world, and returns when each is suspended or has
// ended. Until [Suspension.Resume] no domain but d runs user code, except stop handlers and the
// functions of ragged barriers: a blocked domain does not come back, one that ends does not run
// what is left to do for it, and new ones wait to start. d may lead stops and call ForEach. If d
// ends without Resume, its end resumes the others.
//
// When several domains call SuspendOthers, they succeed one after the other, in the order of their
// calls; meanwhile the rest are suspended. A domain that is suspended at its turn keeps its place
// and lets others go first. d itself may call SuspendOthers again: each Suspension needs its own
// Resume.
//
// While d waits it is in Blocking, so stops and interrupts are served. If an interrupt function
// panics or ends the goroutine, or if ctx ends first, SuspendOthers resumes the domains that it has
// suspended; it returns ctx.Err(). Call it only from d's own goroutine. While the others are
// suspended, d must not wait for what one of them does: that includes Join of a domain, also a new
// one, and Register. A domain that suspends d meanwhile must resume it in the same Blocking: see
// [Domain.Suspend].
func (d *Domain) SuspendOthers(ctx context.Context) (*Suspension, error) {
	d.currentPhase().mustRun("SuspendOthers")
	d.check("SuspendOthers")
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s := &Suspension{w: d.w, solo: d}
	suspended := false
	var err error
	defer func() {
		if !suspended {
			s.resume()
		}
	}()
	d.Blocking(func() { err = s.suspendOthers(ctx) })
	if err != nil {
		return nil, err
	}
	suspended = true
	return s, nil
}

// suspendOthers waits for the turn of s, and suspends all domains but its own. If it gives up, it ends
// the turn at once: the domain may be suspended itself, and does not come back before its own Resume.
func (s *Suspension) suspendOthers(ctx context.Context) error {
	others, err := s.w.beginSolo(ctx, s)
	if err != nil {
		return err
	}
	if s.domains, err = suspendAll(ctx, "SuspendOthers", others); err != nil {
		s.w.endSolo(s)
	}
	return err
}

// beginSolo waits for the turn of s, keeps new domains from joining until endSolo, and returns the
// other domains.
func (w *World) beginSolo(ctx context.Context, s *Suspension) (others []*Domain, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.soloists = append(w.soloists, s)
	x := wait{ctx, w, "SuspendOthers", soloTurn{s}}
	err = x.on(&w.changed, func() bool { return w.soloTurnLocked(s) })
	w.soloists = slices.DeleteFunc(w.soloists, func(o *Suspension) bool { return o == s })
	if err != nil {
		return nil, err
	}
	w.solos = append(w.solos, s)
	for _, d := range w.set {
		if d != s.solo {
			others = append(others, d)
		}
	}
	return others, nil
}

// soloTurnLocked reports whether s comes next: its domain has suspended the others already, or no
// domain has, and s is the first in the queue whose domain is not suspended.
func (w *World) soloTurnLocked(s *Suspension) bool {
	if len(w.solos) > 0 {
		return w.solos[0].solo == s.solo
	}
	first := slices.IndexFunc(w.soloists, func(o *Suspension) bool { return !o.solo.suspended() })
	return first >= 0 && w.soloists[first] == s
}

// endSolo undoes beginSolo, if that has succeeded: new domains may join, and the next one in the
// queue has its turn.
func (w *World) endSolo(s *Suspension) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.solos = slices.DeleteFunc(w.solos, func(o *Suspension) bool { return o == s })
	w.admitJoinersLocked()
	w.changed.Broadcast()
}

// awaitResumed waits until all calls of Resume of what d has suspended by SuspendOthers are over.
func (w *World) awaitResumed(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.solosOfLocked(d)) > 0 {
		w.changed.Wait()
	}
}

// solosOfLocked returns what a domain has suspended by SuspendOthers and not resumed.
func (w *World) solosOfLocked(d *Domain) []*Suspension {
	if len(w.solos) > 0 && w.solos[0].solo == d {
		return slices.Clone(w.solos)
	}
	return nil
}

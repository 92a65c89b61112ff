package stw

import "slices"

// How a wait ends whose context has ended: what the domains were asked is withdrawn from those that
// have not begun with it, and they go on as if it had not been asked. So a wait that is given up
// does not depend on a domain that does not come.

// givenUp, subtracted from Stop.entry, makes it negative for good: there are fewer participants.
const givenUp = maxMax + 1

// giveUp ends the stop, which its caller has told, unless all participants are in, and reports
// whether it did. entry decides between the two. Participants that are in find it negative and leave
// without running the handler. For the others, which may never come, the caller leaves. The end of
// the stop does not depend on them, and nothing is left for them to do.
func (s *Stop) giveUp() bool {
	n := s.entry.Load()
	for n > 0 && !s.entry.CompareAndSwap(n, n-givenUp) {
		n = s.entry.Load()
	}
	if n == 0 {
		return false
	}
	s.park.wake()
	for _, p := range s.participants {
		if s.withdraw(p) {
			s.exit()
		}
	}
	return true
}

// withdraw takes s back from a participant, and reports whether that had not begun to take part.
func (s *Stop) withdraw(p *Domain) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.noted.stop != s {
		return false
	}
	p.noted.stop = nil
	p.unaskLocked()
	p.checkLocked()
	return true
}

// withdrawRagged takes r back from the domains that have not begun to run it, and reports whether
// there were any. None of them has left the set.
func (w *World) withdrawRagged(r *ragged) (any bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, d := range w.set {
		d.mu.Lock()
		if i := slices.Index(d.noted.ragged, r); i >= 0 {
			d.noted.ragged = slices.Delete(d.noted.ragged, i, i+1)
			d.unaskLocked()
			r.left.Add(-1)
			any = true
		}
		d.checkLocked()
		d.mu.Unlock()
	}
	return any
}

// unaskLocked is called after a request is withdrawn, or served by a stand-in: if no other is left,
// the owner's next poll has nothing to serve.
func (d *Domain) unaskLocked() {
	if !d.noted.any() && len(d.noted.panics) == 0 {
		d.pending.And(^uint32(asked)) // a grace period may still wait
	}
}

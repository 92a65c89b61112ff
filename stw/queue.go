package stw

import "slices"

// Who leads next. Stops that could not begin at once wait in World.leaders, and begin in that
// order; but the stop of a suspended domain keeps its place and lets the others pass.

// queue makes s one of those that wait to lead.
func (w *World) queue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.leaders, s) {
		w.leaders = append(w.leaders, s)
	}
}

// unqueue takes s out of those that wait to lead, if it is one.
func (w *World) unqueue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unqueueLocked(s) {
		w.changed.Broadcast()
	}
}

func (w *World) unqueueLocked(s *Stop) bool {
	i := slices.Index(w.leaders, s)
	if i >= 0 {
		w.leaders = slices.Delete(w.leaders, i, i+1)
	}
	return i >= 0
}

// turnLocked returns the stop that begins next: the first in the queue whose domain is not
// suspended, or nil.
func (w *World) turnLocked() *Stop {
	for _, s := range w.leaders {
		if s.leader == nil || !s.leader.suspended() {
			return s
		}
	}
	return nil
}

// waitTurn waits until s may lead.
func (w *World) waitTurn(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.stop.Load() != nil || w.turnLocked() != s {
		w.changed.Wait()
	}
}

// suspended is called after a domain was suspended: turnLocked may return another stop now.
// waitTurn holds mu from its look at the suspensions until it sleeps, so it sees the change
// or is woken here.
func (w *World) suspended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnsChangedLocked()
}

// resumed is the same after d was resumed, which also may leave now.
func (w *World) resumed(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnsChangedLocked()
	w.dismissLocked(d)
}

func (w *World) turnsChangedLocked() {
	if len(w.leaders) > 0 {
		w.changed.Broadcast()
	}
}

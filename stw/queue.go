package stw

import "slices"

// The queue of stops. A stop that cannot begin at once waits in World.leaders. Stops begin in that
// order, except that the stop of a suspended domain keeps its place and lets the others pass.

// queue adds s to the queue.
func (w *World) queue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.leaders, s) {
		w.leaders = append(w.leaders, s)
	}
}

// unqueue removes s from the queue, if it is there, and wakes those behind it.
func (w *World) unqueue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unqueueLocked(s) {
		w.changed.Broadcast()
	}
}

// unqueueLocked removes s from the queue, and reports whether it was there.
func (w *World) unqueueLocked(s *Stop) bool {
	i := slices.Index(w.leaders, s)
	if i >= 0 {
		w.leaders = slices.Delete(w.leaders, i, i+1)
	}
	return i >= 0
}

// turnLocked returns the stop that may begin next: the first in the queue whose leader is not
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

// suspended is called after a domain is suspended: turnLocked may return another stop now.
// waitTurn holds mu from the time it reads the suspensions until it sleeps, so it sees the change
// or is woken here.
func (w *World) suspended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnsChangedLocked()
}

// resumed is called after d is resumed. It does the same, and dismisses d if that may leave now.
func (w *World) resumed(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnsChangedLocked()
	w.dismissLocked(d)
}

// turnsChangedLocked wakes those that wait for their turn.
func (w *World) turnsChangedLocked() {
	if len(w.leaders) > 0 {
		w.changed.Broadcast()
	}
}

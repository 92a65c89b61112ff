package stw

import "slices"

// The queue of stops. A stop that cannot begin at once waits in World.leaders. Stops begin in that
// order, except that the stop of a suspended domain keeps its place and lets the others pass.

// queue adds s to the queue.
func (w *World) queue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaders = append(w.leaders, s)
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

// suspensionChanged is called after d is suspended or resumed: turnLocked may return another stop
// now, and d may leave if it is ending. waitTurn holds mu from the time it reads the suspensions
// until it sleeps, so it sees the change or is woken here.
func (w *World) suspensionChanged(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.leaders) > 0 {
		w.changed.Broadcast()
	}
	w.dismissLocked(d)
}

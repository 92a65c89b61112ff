package stw

import "slices"

// queue adds s to the queue of stops, World.leaders. Stops begin in that order, except that the
// stop of a suspended domain keeps its place and lets the others pass.
func (w *World) queue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leaders = append(w.leaders, s)
}

// unqueue removes s from the queue, if it is there, and wakes the stops behind it.
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

// turnLocked returns the first stop in the queue whose leader is not suspended, or nil.
func (w *World) turnLocked() *Stop {
	for _, s := range w.leaders {
		if s.leader == nil || !s.leader.suspended() {
			return s
		}
	}
	return nil
}

// waitTurn waits for the turn of s: no stop is in progress, and s comes next. If s.ctx ends first, it
// removes s from the queue and returns s.ctx.Err().
func (w *World) waitTurn(s *Stop) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	x := wait{s.ctx, w, s.op, turn{s}}
	err := x.on(&w.changed, func() bool { return w.stop.Load() == nil && w.turnLocked() == s })
	if err != nil {
		w.unqueueLocked(s) // and wakes none: while the turn was not its own, it held up no other
	}
	return err
}

// suspensionChanged is called after d is suspended or resumed: another stop, or another call of
// SuspendOthers, may have its turn now, and d may be dismissed if it is ending. Those that wait for
// their turn hold mu from when they read the suspensions until they sleep, so they see the change or
// are woken here.
func (w *World) suspensionChanged(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.leaders) > 0 || len(w.soloists) > 0 {
		w.changed.Broadcast()
	}
	w.dismissLocked(d)
}

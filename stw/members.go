package stw

import (
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
)

// How domains come and go. A domain takes a slot, joins the set of domains on which stops
// count, leaves it, and its slot is free again. While a stop is in progress nobody joins or
// leaves; who waits to is let in or out by the end of the stop, before another begins.

// newDomain takes a slot for a domain that is starting.
func (w *World) newDomain(endsBy ender) (*Domain, error) {
	d := &Domain{w: w, endsBy: endsBy, done: make(chan struct{})}
	d.changed.L = &d.mu
	if err := w.take(d); err != nil {
		return nil, err
	}
	if err := d.attach(w.opts.SMR); err != nil {
		w.free(d)
		return nil, err
	}
	w.mu.Lock()
	w.byID[d.id] = d
	w.mu.Unlock()
	return d, nil
}

// take gives a domain its slot and its number.
func (w *World) take(d *Domain) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return ErrClosed
	}
	if d.slot = slices.Index(w.slots, false); d.slot < 0 {
		return ErrFull
	}
	w.slots[d.slot] = true
	w.live++
	w.lastID++
	d.id = w.lastID
	return nil
}

// free undoes take, for a domain that is not in the set (any more), and lets Join return.
func (w *World) free(d *Domain) {
	d.readers.close()
	w.mu.Lock()
	delete(w.byID, d.id)
	w.slots[d.slot] = false
	w.live--
	w.changed.Broadcast()
	w.mu.Unlock()
	sched.Wakes()
	close(d.done)
}

// join makes a domain part of the world. It waits while the world is stopped.
func (w *World) join(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop.Load() == nil {
		w.admitLocked(d)
		return
	}
	w.joiners = append(w.joiners, d)
	for d.State() == Starting {
		w.changed.Wait()
	}
}

// admitLocked lets a domain into the set.
func (w *World) admitLocked(d *Domain) {
	d.become(running)
	w.set = append(w.set, d)
}

// leave takes a domain out of the world, which runs no code of its user's from here on: what
// is still asked of it is done by stand-ins, and can't end this goroutine. Stops and ragged
// barriers go on counting on it; interrupts it accepts no more.
//
// What ends the last reason to stay takes it out at once: the end of a stop, of a service,
// a Resume. So stops or ragged barriers in a row do not keep it.
func (w *World) leave(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.mu.Lock()
	d.disowned()
	if d.phase == served {
		d.becomeLocked(endingServed)
	} else {
		d.becomeLocked(ending)
	}
	if d.noted.any() {
		d.askLocked()
	}
	d.checkLocked()
	d.mu.Unlock()
	w.leavers = append(w.leavers, d)
	for w.dismissLocked(d); d.State() != Dead; {
		w.changed.Wait()
	}
}

// dismissLocked lets a domain out of the set if it waits to leave, and nothing is asked of it
// or can be about to be. Only under both locks that is known: a stop that is led counts on
// every domain in the set, also on those that are not told yet.
func (w *World) dismissLocked(d *Domain) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if w.stop.Load() != nil || d.phase != ending || d.noted.any() {
		return
	}
	d.becomeLocked(dead)
	d.checkLocked()
	d.changed.Broadcast()
	isIt := func(o *Domain) bool { return o == d }
	w.set = slices.DeleteFunc(w.set, isIt)
	w.leavers = slices.DeleteFunc(w.leavers, isIt)
	w.changed.Broadcast()
}

// nextLocked is called when a stop has ended, before another can begin: those that
// wait to come or go do so first, so that stops in a row keep nobody.
func (w *World) nextLocked() {
	for _, d := range w.joiners {
		w.admitLocked(d)
	}
	w.joiners = nil
	for _, d := range slices.Clone(w.leavers) {
		w.dismissLocked(d)
	}
	w.changed.Broadcast()
}

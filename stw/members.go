package stw

import (
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
)

// How domains come and go: a domain takes a slot, joins the set of domains on which stops count,
// leaves the set, and frees its slot. No domain joins or leaves while a stop is in progress.

// newDomain returns a domain that is starting and has a slot.
func (w *World) newDomain(endsBy ender) (*Domain, error) {
	d := &Domain{w: w, endsBy: endsBy, done: make(chan struct{})}
	d.changed.L = &d.mu
	if err := w.take(d); err != nil {
		return nil, err
	}
	if err := d.attach(); err != nil {
		w.free(d)
		return nil, err
	}
	w.mu.Lock()
	w.byID[d.id] = d
	w.mu.Unlock()
	return d, nil
}

// take gives a domain a slot and an ID.
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

// free undoes take for a domain that is not in the set, resumes what it has suspended, and lets Join
// return once all of that is resumed: another goroutine may be in Resume.
func (w *World) free(d *Domain) {
	d.readers.close()
	w.mu.Lock()
	delete(w.byID, d.id)
	w.slots[d.slot] = false
	w.live--
	w.changed.Broadcast()
	solos := w.solosOfLocked(d)
	w.mu.Unlock()
	defer func() { // also if Resume panics
		w.awaitResumed(d)
		sched.Wakes()
		close(d.done)
	}()
	resumeAll(solos)
}

// join adds a domain to the set. It waits while a stop is in progress, or one domain has suspended
// the others.
func (w *World) join(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.joiners = append(w.joiners, d)
	for w.admitJoinersLocked(); d.State() == Starting; {
		w.changed.Wait()
	}
}

// admitJoinersLocked adds the domains that wait to join to the set, if they may.
func (w *World) admitJoinersLocked() {
	if w.stop.Load() != nil || len(w.solos) > 0 {
		return
	}
	for _, d := range w.joiners {
		d.become(running)
		w.set = append(w.set, d)
	}
	w.joiners = nil
	w.size.Store(int32(len(w.set)))
}

// leave makes a domain ending, and waits until it is dismissed. Its owner runs no more user code:
// stand-ins serve the requests that are left, so that no function can end this goroutine. Stops and
// ragged barriers still count on the domain; it refuses interrupts.
//
// The event that removes the last reason to stay also dismisses the domain: the end of a stop, the
// end of a service, or Resume. So stops in a row do not keep it. Ragged barriers that overlap do:
// dismissing the domain between two would break what ForEach promises.
func (w *World) leave(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	d.mu.Lock()
	d.disowned()
	d.noted.deferred = 0 // it may end inside WithoutInterrupts
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

// dismissLocked removes a domain from the set if it is ending, nothing is noted, and no stop is in
// progress. It needs both locks: a stop counts on every domain in the set as soon as it has a
// leader, even before it has told them.
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
	w.size.Store(int32(len(w.set)))
	w.leavers = slices.DeleteFunc(w.leavers, isIt)
	w.changed.Broadcast()
}

// nextLocked admits and dismisses the domains that wait. It is called at the end of a stop, before
// another can begin, so that stops in a row do not hold them up.
func (w *World) nextLocked() {
	w.admitJoinersLocked()
	for _, d := range slices.Clone(w.leavers) {
		w.dismissLocked(d)
	}
	w.changed.Broadcast()
}

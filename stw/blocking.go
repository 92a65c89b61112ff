package stw

// Blocking runs fn, which may block, while the domain is at a safe point all the
// time: stops, ragged barriers and interrupts do not wait for it, but are served on
// its behalf. fn must not touch what a stop protects, hold protected pointers, or
// call the domain's owner methods. The domain cannot come back in the middle of
// what is being done for it: then Blocking waits. Owner.
//
// Whatever may block is to be in Blocking, taking a lock that other domains take
// included: the one that holds it may be waiting, stopped, for this one.
func (d *Domain) Blocking(fn func()) {
	d.EnterBlocking()
	returned := false
	defer func() {
		d.leaveBlocking()
		if returned { // else fn's panic is on its way: others' come out of the next poll
			d.passPanic()
		}
	}()
	fn()
	returned = true
}

// EnterBlocking is the first half of [Domain.Blocking], for code that has no use
// for a function. Owner.
//
// Cost: a lock taken and released, and a store or two for each smr domain.
func (d *Domain) EnterBlocking() {
	const op = "EnterBlocking"
	d.mustRun(op)
	d.check(op)
	if d.pending.Load() != 0 {
		d.clearPending()
		d.serve()
	}
	d.readers.goOffline()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.becomeLocked(blocked)
	d.disowned()
	if d.noted.any() {
		d.askLocked()
	}
	d.checkLocked()
}

// LeaveBlocking is the second half of [Domain.Blocking]. Owner. It panics with what
// an interrupt function panicked with that ran meanwhile, and if the domain is not
// blocked.
func (d *Domain) LeaveBlocking() {
	d.leaveBlocking()
	d.passPanic()
}

// leaveBlocking comes back from Blocking. What an interrupt function panicked with is for the
// next poll.
func (d *Domain) leaveBlocking() {
	d.mu.Lock()
	switch d.phase {
	case blocked:
		d.becomeLocked(running)
	case served:
		d.becomeLocked(returning)
		for d.phase == returning {
			d.changed.Wait()
		}
	default:
		d.mu.Unlock()
		panic("stw: LeaveBlocking of a domain that is " + d.State().String())
	}
	d.owned()
	d.checkLocked()
	d.mu.Unlock()
	defer d.readers.goOnline() // also if what is served ends the goroutine
	if d.pending.Load() != 0 {
		d.clearPending()
		d.serve() // offline still
	}
}

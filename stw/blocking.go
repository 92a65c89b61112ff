package stw

// Blocking runs fn, which may block, with the domain at a safe point: a stand-in takes part in
// stops and ragged barriers and runs interrupts on its behalf. fn must not touch what a stop
// protects, hold protected pointers, or call methods that are for the domain's own goroutine. After
// fn, Blocking waits for a stand-in that is acting. Call it only from the domain's own goroutine.
//
// Wrap everything that may block, including locks that other domains take: the domain that holds
// the lock may be stopped, waiting for this one.
func (d *Domain) Blocking(fn func()) {
	d.EnterBlocking()
	returned := false
	defer func() {
		d.leaveBlocking()
		if returned { // else fn is panicking: the next poll passes on other panics
			d.passPanic()
		}
	}()
	fn()
	returned = true
}

// EnterBlocking is the first half of [Domain.Blocking], for code that does not fit into a function.
// Call it only from the domain's own goroutine.
//
// Cost: a lock taken and released twice, and a store or two for each smr domain.
func (d *Domain) EnterBlocking() {
	d.currentPhase().mustRun("EnterBlocking")
	d.check("EnterBlocking")
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

// LeaveBlocking is the second half of [Domain.Blocking]. It panics if the domain is not blocked,
// and passes on the panic of an interrupt function that ran meanwhile. Call it only from the
// domain's own goroutine.
func (d *Domain) LeaveBlocking() {
	d.leaveBlocking()
	d.passPanic()
}

// leaveBlocking makes the domain running again, without passing on panics.
func (d *Domain) leaveBlocking() {
	checkMayBlock("LeaveBlocking")
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
	defer d.readers.goOnline() // also if serve ends the goroutine
	if d.pending.Load() != 0 {
		d.clearPending()
		d.serve() // still offline
	}
}

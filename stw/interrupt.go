package stw

// Interrupt makes the domain run fn at its next safe point, after earlier interrupts and not while
// it is suspended; a stand-in runs fn while the domain is blocked. Interrupt does not wait. It
// returns [ErrDead], and fn does not run, if the domain is ending or has ended. An accepted fn
// always runs, at the latest while the domain ends.
//
// fn must not block: the domain does nothing else meanwhile, and others may wait for it. If fn
// panics, the domain's Poll, Blocking or Deregister panics with a [*Panic], or the end of its
// goroutine does. If fn calls runtime.Goexit, the domain ends; while it is blocked, only the
// stand-in does. fn may call Interrupt, which takes effect at the next safe point.
//
// The queue has no bound: a refusal would depend on how fast the domain polls. A goroutine that may
// interrupt faster than that should have one function do the work of several, or count those that
// have yet to run; [Domain.InterruptExternal] needs no queue.
func (d *Domain) Interrupt(fn func(*Domain)) error {
	if fn == nil {
		panic("stw: Interrupt with a nil function")
	}
	return d.request(func(n *noted) { n.interrupts = append(n.interrupts, fn) })
}

// InterruptExternal makes the domain call Options.ExternalInterrupt at its next safe point, or a
// stand-in while the domain is blocked. All calls before that count as one; one that the hook makes
// takes effect at the next safe point. InterruptExternal returns [ErrDead] if the domain is ending
// or has ended, and panics if there is no such hook.
func (d *Domain) InterruptExternal() error {
	if d.w.opts.ExternalInterrupt == nil {
		panic("stw: InterruptExternal in a world without Options.ExternalInterrupt")
	}
	return d.request(func(n *noted) { n.external = true })
}

// request notes a request, unless the domain refuses.
func (d *Domain) request(note func(*noted)) error {
	checkMayBlock("Interrupt")
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.phase.refuses() {
		return ErrDead
	}
	note(&d.noted)
	if d.noted.any() { // unless interrupts are deferred
		d.askLocked()
	}
	d.checkLocked()
	return nil
}

// WithoutInterrupts runs fn and defers interrupts, the external one too, to the first safe point
// after it. Stops, ragged barriers and suspensions still come at those in fn, and so do the panics
// of interrupts that ran before. fn may call WithoutInterrupts. Call it only from the domain's own
// goroutine, and not in a handler or an interrupt function, during which there are no others.
func (d *Domain) WithoutInterrupts(fn func()) {
	d.currentPhase().mustRun("WithoutInterrupts")
	d.check("WithoutInterrupts")
	d.mu.Lock()
	d.noted.deferred++
	d.mu.Unlock()
	defer func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		n := &d.noted
		if n.deferred == 0 {
			return // the domain has ended in fn
		}
		if n.deferred--; n.deferred == 0 && n.any() {
			d.askLocked()
		}
		d.checkLocked()
	}()
	fn()
}

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
	d.askLocked()
	d.checkLocked()
	return nil
}

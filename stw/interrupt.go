package stw

// Interrupt has fn run by the domain at its next safe point, or on its behalf while
// it is blocked; after what was asked of it by Interrupt before, and once it is no
// longer suspended. It does not wait. It returns [ErrDead] if the domain has ended or
// begun to, and then fn is not run; a fn that was accepted is run, if need be while
// the domain ends. What a fn asks for by Interrupt is not done by the same Poll.
//
// fn runs while the domain can do nothing else, so it must not block: others may be
// waiting for the domain. If it panics, the panic is passed on to the domain, as a
// [*Panic], out of its Poll, Blocking or Deregister; if the domain ends before, that
// panics. runtime.Goexit ends the domain, or, while that is blocked, nothing. Any goroutine may call Interrupt, fn
// included. Idea: interrupt-thread of SBCL.
func (d *Domain) Interrupt(fn func(*Domain)) error {
	if fn == nil {
		panic("stw: Interrupt with a nil function")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.phase.refuses() {
		return ErrDead
	}
	d.noted.interrupts = append(d.noted.interrupts, fn)
	d.askLocked()
	d.checkLocked()
	return nil
}

// InterruptExternal has the domain call Options.ExternalInterrupt at its next safe
// point. Calls before it does so count as one; what the hook asks for itself is not done
// by the same Poll. It returns [ErrDead] if the domain has ended, and panics if there is
// no such hook.
func (d *Domain) InterruptExternal() error {
	if d.w.opts.ExternalInterrupt == nil {
		panic("stw: InterruptExternal in a world without Options.ExternalInterrupt")
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.phase.refuses() {
		return ErrDead
	}
	d.noted.external = true
	d.askLocked()
	d.checkLocked()
	return nil
}

package fuzz

import (
	"slices"

	"github.com/gosmr/gosmr/stw"
)

// accepted checks whether a domain was allowed to accept or refuse a request.
func (p *stwProgram) accepted(a *actor, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ending := a.doing != nil && a.doing.what == "ending"
	if err != nil && (err != stw.ErrDead || !ending) || err == nil && a.dead {
		p.failLocked("what is asked of %v, which is dead: %v, is answered %v", a.d, a.dead, err)
	}
	return err == nil
}

// interrupt asks the actor to run a function.
func (p *stwProgram) interrupt(a *actor, what int) {
	p.mu.Lock()
	r := &request{len(a.asked)}
	a.asked = append(a.asked, r)
	p.mu.Unlock()
	err := a.d.Interrupt(func(d *stw.Domain) {
		p.notUser(d, "an interrupt function")
		p.mu.Lock()
		if a.done++; d != a.d || a.asked[a.done-1] != r {
			p.failLocked("interrupt %d of %v is run as number %d", r.nth, a.d, a.done-1)
		}
		if p.held {
			p.failLocked("an interrupt function is run while the world is stopped")
		}
		p.mu.Unlock()
		switch {
		case what == askAgain:
			if !p.asking(a) {
				p.interrupt(a, askPlain)
			}
		case what == askPanic && !a.own: // of another it would end the process
			p.owe(a)
		case what == askRead:
			if s := d.Section(); !s.Active() {
				p.fail("the section in an interrupt function is not open")
			}
		}
	})
	if !p.accepted(a, err) {
		p.mu.Lock()
		a.asked = slices.DeleteFunc(a.asked, func(o *request) bool { return o == r })
		p.mu.Unlock()
	}
}

// asking reports whether the actor is ending, so that it may refuse requests.
func (p *stwProgram) asking(a *actor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return a.doing != nil && a.doing.what == "ending"
}

// polled checks the actor after a Poll, before which it had accepted so many interrupts.
func (p *stwProgram) polled(a *actor, before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.done < before {
		p.failLocked("%v polled, and %d of %d interrupts were done", a.d, a.done, before)
	}
}

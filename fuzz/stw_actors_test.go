package fuzz

import (
	"context"
	"testing/synctest"

	"github.com/gosmr/gosmr/stw"
)

// idle reports whether the actor waits for its next operation.
func (a *actor) idle() bool {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	return a.started && !a.dead && (a.doing == nil || a.doing.over)
}

// come makes a domain.
func (p *stwProgram) come(own bool) {
	a := &actor{p: p, own: own, tell: make(chan func())}
	op := &stwOp{what: "coming", actor: a}
	a.doing = op
	if own {
		p.spawn(a, p.refusal())
	} else {
		p.register(a, p.refusal())
	}
	if a.d == nil {
		return
	}
	p.ops = append(p.ops, op)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.actors = append(p.actors, a)
}

// refusal returns the error that a new domain would get now, or nil.
func (p *stwProgram) refusal() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	live := 0
	for _, a := range p.actors {
		if !a.dead {
			live++
		}
	}
	switch {
	case p.closed:
		return stw.ErrClosed
	case live == maxDomains:
		return stw.ErrFull
	}
	return nil
}

func (p *stwProgram) spawn(a *actor, want error) {
	d, err := p.w.Spawn(a.live)
	if err != want {
		p.fail("Spawn returned %v, want %v", err, want)
	}
	if err != nil {
		return
	}
	a.d = d
	go func() { // its end
		if err := d.Join(context.Background()); err != nil {
			p.fail("Join returned %v", err)
		}
		a.ended()
	}()
}

func (p *stwProgram) register(a *actor, want error) {
	registered := make(chan *stw.Domain, 1)
	go func() {
		d, err := p.w.Register()
		registered <- d
		if err != want {
			p.fail("Register returned %v, want %v", err, want)
		}
		if err != nil {
			return
		}
		a.live(d)
		a.outcome(panics(d.Deregister))
		a.ended()
	}()
	synctest.Wait()
	select {
	case a.d = <-registered:
	default: // it waits for a stop to end, but it has its number
		a.d = p.newest()
	}
}

// newest returns a domain that is starting and has no actor yet.
func (p *stwProgram) newest() *stw.Domain {
	last := uint64(0)
	for _, a := range p.actors {
		last = max(last, a.d.ID())
	}
	d, ok := p.w.Lookup(last + 1)
	if !ok {
		p.fail("Register is neither done nor waiting")
		return nil
	}
	return d
}

// live is the domain's life: the actor does what it is told until it must end.
func (a *actor) live(d *stw.Domain) {
	d.PushRoots(1)[0] = uintptr(d.ID())
	a.runs(true)
	for do := range a.tell {
		a.runs(false)
		a.outcome(panics(do))
		a.runs(true)
	}
	a.runs(false)
}

// runs records that the actor begins or stops running user code.
func (a *actor) runs(running bool) {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	a.started = true
	if a.doing != nil {
		a.doing.over = a.doing.over || running
	}
	a.running = running && !a.blocked
	if !a.running {
		a.period++
	}
}

// do has the actor do something.
func (a *actor) do(what string, do func()) {
	if what == "LeaveBlocking" {
		leave := do
		do = func() {
			defer func() {
				a.p.mu.Lock()
				defer a.p.mu.Unlock()
				a.blocked = false
			}()
			leave()
		}
	}
	a.p.begin(what, a, do)
}

// end has the actor end.
func (a *actor) end() {
	op := &stwOp{what: "ending", actor: a}
	a.p.ops = append(a.p.ops, op)
	a.doing = op
	close(a.tell)
}

func (a *actor) ended() {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.dead = true
	a.doing.over = true
	if a.done != len(a.asked) {
		a.p.failLocked("%v ended with %d of %d interrupts done", a.d, a.done, len(a.asked))
	}
}

// outcome checks how an operation of the actor ended.
func (a *actor) outcome(value any) {
	if value == nil {
		return
	}
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	panicked, ok := value.(*stw.Panic)
	if !ok {
		p.failLocked("%v panics: %v", a.d, value)
		return
	}
	for _, one := range append([]*stw.Panic{panicked}, panicked.Also...) {
		id, ok := one.Value.(int)
		if !ok || p.owed[id] != a {
			p.failLocked("%v panics: %v", a.d, one)
		}
		delete(p.owed, id)
	}
}

// owe panics with a value that must come out of an operation of the actor.
func (p *stwProgram) owe(a *actor) {
	p.mu.Lock()
	p.lastOwed++
	id := p.lastOwed
	p.owed[id] = a
	p.mu.Unlock()
	panic(id)
}

// ofLocked returns the actor of a domain.
func (p *stwProgram) ofLocked(d *stw.Domain) *actor {
	for _, a := range p.actors {
		if a.d == d {
			return a
		}
	}
	return nil
}

// notUser checks that the domain, for which something runs, does not run user code.
func (p *stwProgram) notUser(d *stw.Domain, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.ofLocked(d); a == nil || a.running || a.dead {
		p.failLocked("%s is run for %v, which runs code of its own or is dead", what, d)
	}
}

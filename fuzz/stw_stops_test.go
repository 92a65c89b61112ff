package fuzz

import (
	"context"
	"slices"

	"github.com/gosmr/gosmr/stw"
)

// lead has the actor try to run a handler on all domains.
func (p *stwProgram) lead(op int, a *actor, h int) {
	s := &stopSection{handler: h % handlers, nth: h / handlers, async: op == stwAsync, ran: make(map[*stw.Domain]int), ended: make(map[*stw.Domain]bool)}
	o := stw.StopOptions{Async: s.async}
	if s.handler == handleSetup {
		o.Setup = func(*stw.Stop) { p.waitAtGate() }
	}
	if s.handler == handleWork && !s.async {
		left := 5
		o.EnterWork = func(d *stw.Domain, _ *stw.Stop) bool {
			p.notUser(d, "EnterWork")
			p.mu.Lock()
			defer p.mu.Unlock()
			left--
			return left > 0
		}
	}
	handler := func(d *stw.Domain, stop *stw.Stop) { p.handle(s, a, d, stop) }
	name := "RunOnAll"
	if op == stwTry {
		name = "TryRunOnAll"
	}
	p.mu.Lock()
	p.stops = append(p.stops, s)
	alone := !p.stoppingLocked()
	p.mu.Unlock()
	ctx := p.ctx
	a.do(name, func() {
		led, returned := true, false
		defer func() {
			// If a panic comes out it is a handler's, or an interrupt function's.
			p.led(s, led, returned)
		}()
		var err error
		if op == stwTry {
			if led, err = p.w.TryRunOnAllContext(ctx, a.d, handler, o); alone && !led && err == nil {
				p.fail("TryRunOnAll did not lead, and nobody else did")
			}
		} else {
			err = p.w.RunOnAllContext(ctx, a.d, handler, o)
		}
		led = led && !p.gaveUp(ctx, err)
		returned = true
	})
}

// led checks a stop that is over, or did not take place.
func (p *stwProgram) led(s *stopSection, led, returned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !returned {
		led = len(s.ran) > 0
	}
	switch {
	case !led && len(s.ran) > 0:
		p.failLocked("the handler of a stop that did not take place was run")
	case led && !s.async && (s.participants == 0 || len(s.ran) != s.participants || len(s.ended) != s.participants):
		p.failLocked("a stop of %d is over, the handler was begun for %d and is over for %d", s.participants, len(s.ran), len(s.ended))
	}
}

// handle is the body of every handler.
func (p *stwProgram) handle(s *stopSection, leader *actor, d *stw.Domain, stop *stw.Stop) {
	p.notUser(d, "a handler")
	p.mu.Lock()
	all := stop.Participants()
	s.participants = len(all)
	if s.ran[d]++; s.ran[d] > 1 || !slices.Contains(all, d) || stop.Leader() != leader.d {
		p.failLocked("a handler is run for %v, of %v, time %d", d, all, s.ran[d])
	}
	for _, other := range all {
		if a := p.ofLocked(other); !s.async && a.running && !s.ended[other] {
			p.failLocked("a handler runs while %v does", other)
		}
	}
	for _, o := range p.stops {
		if o != s && len(o.ran) > len(o.ended) {
			p.failLocked("a stop begins before the last one is over")
		}
	}
	if p.held {
		p.failLocked("a handler is run while the world is stopped")
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		s.ended[d] = true
	}()
	chosen := all[s.nth%len(all)] == d
	switch {
	case s.handler == handleBarrier:
		p.phases(s, stop)
	case s.handler == handlePanic && chosen && !leader.own:
		p.owe(leader)
	case s.handler == handleInterrupt:
		p.mu.Lock()
		a := p.ofLocked(d)
		p.mu.Unlock()
		if !p.asking(a) {
			p.interrupt(a, askPlain)
		}
	case s.handler == handleGated && chosen:
		p.waitAtGate()
	case s.handler == handleSynchronize && chosen && !s.async:
		p.waitAtGate()
		if err := p.dom.Synchronize(context.Background()); err != nil {
			p.fail("Synchronize in a handler returned %v", err)
		}
	case s.handler == handleMisuse:
		d.Poll() // does nothing
		if panics(d.EnterBlocking) == nil || panics(func() { p.w.TryRunOnAll(d, func(*stw.Domain, *stw.Stop) {}, stw.StopOptions{}) }) == nil {
			p.fail("a handler may block or lead a stop")
		}
	}
}

// phases has the participants go through some phases together.
func (p *stwProgram) phases(s *stopSection, stop *stw.Stop) {
	const phases = 4
	for phase := range phases {
		p.mu.Lock()
		if s.phase != phase {
			p.failLocked("phase %d begins for one while it is %d", phase, s.phase)
		}
		p.mu.Unlock()
		stop.Barrier(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			s.phase++
		})
	}
}

func (p *stwProgram) waitAtGate() {
	p.mu.Lock()
	gate := p.gate
	p.gated++
	p.mu.Unlock()
	<-gate
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gated--
}

func (p *stwProgram) openGate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
	p.gate = make(chan struct{})
}

// stop stops the world, from a goroutine that is not a domain.
func (p *stwProgram) stop() {
	waiting := 0
	for _, op := range p.ops {
		if op.what == "Stop" {
			waiting++
		}
	}
	if waiting == 2 {
		return
	}
	ctx := p.ctx
	p.begin("Stop", nil, func() {
		if p.gaveUp(ctx, p.w.StopContext(ctx)) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held {
			p.failLocked("the world is stopped twice")
		}
		p.held = true
	})
}

// giveUp ends the context of the waits in progress.
func (p *stwProgram) giveUp() {
	for _, op := range p.ops {
		switch op.what {
		case "Stop", "RunOnAll", "TryRunOnAll", "Suspend", "ForEach":
			op.givenUp = true
		}
	}
	p.cancel()
	p.ctx, p.cancel = context.WithCancel(context.Background())
}

// gaveUp reports whether a wait was given up, as err says, which must be its context's.
func (p *stwProgram) gaveUp(ctx context.Context, err error) bool {
	if err != nil && err != ctx.Err() {
		p.fail("a wait returned %v, its context %v", err, ctx.Err())
	}
	return err != nil
}

// actorless reports whether the wait ends at once when it is given up: its caller is no domain.
func (op *stwOp) actorless() bool {
	return op.what == "Stop" || op.what == "Suspend" || op.what == "ForEach" && op.actor == nil
}

func (p *stwProgram) start() {
	p.mu.Lock()
	held := p.held
	p.held = false
	p.mu.Unlock()
	if what := panics(p.w.Start); (what == nil) != held {
		p.fail("Start of a world that is stopped: %v: panics with %v", held, what)
	}
}

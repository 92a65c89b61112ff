package fuzz

import (
	"errors"
	"slices"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

func (p *stwProgram) suspend(a *actor) {
	ctx := p.ctx
	op := p.begin("Suspend", nil, func() {
		err := a.d.Suspend(ctx)
		if err != nil && err != stw.ErrDead && p.gaveUp(ctx, err) || !p.accepted(a, err) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if a.running {
			p.failLocked("%v is suspended and runs", a.d)
		}
		p.suspended[a]++
	})
	op.actor = a
}

func (p *stwProgram) isSuspended(a *actor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.suspended[a] > 0
}

func (p *stwProgram) resume(a *actor) {
	p.mu.Lock()
	suspended := p.suspended[a] > 0
	if suspended {
		p.suspended[a]--
	}
	pending := slices.ContainsFunc(p.ops, func(o *stwOp) bool { return o.what == "Suspend" && o.actor == a && !o.over })
	p.mu.Unlock()
	if !suspended && pending {
		return // it would undo a Suspend that waits
	}
	if what := panics(a.d.Resume); (what == nil) != suspended {
		p.fail("Resume of a domain that is suspended: %v: panics with %v", suspended, what)
	}
}

func (p *stwProgram) forEach(panicking bool) {
	want := p.w.Domains()
	ctx := p.ctx
	p.begin("ForEach", nil, func() {
		var mu sync.Mutex
		ran := make(map[*stw.Domain]int)
		gaveUp := false
		what := panics(func() {
			err := p.w.ForEachContext(ctx, func(d *stw.Domain) {
				p.notUser(d, "a ragged barrier's function")
				mu.Lock()
				ran[d]++
				mu.Unlock()
				if panicking && d == want[0] {
					panic("in ForEach")
				}
			})
			gaveUp = p.gaveUp(ctx, err)
		})
		if what != nil {
			gaveUp = ctx.Err() != nil // perhaps
		}
		for _, d := range want {
			if ran[d] > 1 || ran[d] < 1 && !gaveUp {
				p.fail("ForEach ran its function %d times for %v", ran[d], d)
			}
		}
		panicking := panicking && len(want) > 0 && ran[want[0]] > 0
		var panicked *stw.Panic
		if err, _ := what.(error); (what != nil) != panicking || what != nil && !errors.As(err, &panicked) {
			p.fail("ForEach panics with %v", what)
		}
	})
}

func (p *stwProgram) enterOrLeave() {
	if p.section == nil {
		s := p.dom.Enter()
		p.section = &s
	} else {
		p.section.Leave()
		p.section = nil
	}
}

// call makes a deferred call, while some domains run.
func (p *stwProgram) call() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &stwCallback{holders: make(map[*actor]int), section: p.section}
	for _, a := range p.actors {
		if a.running {
			c.holders[a] = a.period
		}
	}
	p.calls = append(p.calls, c)
	p.dom.CallFunc(smr.Expedite, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		c.ran++
	})
}

func (p *stwProgram) misuse(a *actor) {
	if panics(a.d.LeaveBlocking) == nil {
		p.fail("LeaveBlocking of a domain that is not blocked")
	}
	if a.own && panics(a.d.Deregister) == nil {
		p.fail("Deregister of a domain that was spawned")
	}
	if s := a.d.Section(); !s.Active() {
		p.fail("the section of a domain that runs is not open")
	}
	a.d.PushRoots(3)
	a.d.PopRoots()
	if panics(func() { a.d.PushRoots(-1) }) == nil {
		p.fail("PushRoots of less than nothing")
	}
}

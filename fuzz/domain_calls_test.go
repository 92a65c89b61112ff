package fuzz

import (
	"context"
	"time"

	"github.com/gosmr/gosmr/smr"
)

func (p *domainProgram) newCall(size int, then func()) *call {
	return &call{p: p, size: size, then: then, made: time.Now()}
}

// call makes a call of the program's.
func (p *domainProgram) call(c *call) {
	c.p, c.made = p, time.Now()
	p.made(c, panics(func() { smr.Call(p.d, c, c.size, (*call).run) }))
}

// made records a call, unless it was refused.
func (p *domainProgram) made(c *call, what any) {
	if p.refused("Call", what) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
}

// run is every call's callback.
func (c *call) run() {
	c.p.mu.Lock()
	c.ran++
	c.p.mu.Unlock()
	if c.then != nil {
		c.then()
	}
}

// hasRun reports whether the callback has run, if it can tell without blocking.
func (c *call) hasRun() bool {
	if !c.p.mu.TryLock() {
		return false
	}
	defer c.p.mu.Unlock()
	return c.ran > 0
}

// chain returns a function that makes n calls, each in the callback of the one before.
func (p *domainProgram) chain(n int) func() {
	if n == 0 {
		return nil
	}
	return func() {
		c := p.newCall(n, p.chain(n-1))
		smr.Call(p.d, c, c.size, (*call).run) // also on a closed domain
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls = append(p.calls, c)
	}
}

// panicking is the body of a callback that panics.
func (p *domainProgram) panicking() {
	p.mu.Lock()
	p.panicked++
	p.mu.Unlock()
	panic("in a callback")
}

// waitInCallback tries one of the waits in a callback.
func (p *domainProgram) waitInCallback(what int) {
	d, ctx := p.d, context.Background()
	var err error
	switch what {
	case waitGoal:
		err = d.Wait(ctx, 0)
	case waitSynchronize:
		err = d.Synchronize(ctx)
	case waitBarrier:
		err = d.Barrier(ctx)
	case waitThrottle:
		if err = d.Throttle(ctx); err == nil || err == smr.ErrClosed {
			return // there was no need to wait
		}
	case waitClose:
		err = d.Close(ctx)
	}
	if err != smr.ErrInCallback {
		p.fail("wait %d in a callback: %v", what, err)
	}
}

// flushing records that calls are to be freed as soon as possible.
func (p *domainProgram) flushing(calls []*call) {
	open := p.open()
	for _, c := range calls {
		if !c.flushed {
			c.flushed, c.before = true, open
		}
	}
}

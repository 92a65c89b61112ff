package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// churning makes domains, uses them, and closes them under their users.
type churning struct{}

func (churning) join(r *rig) {
	for i := range 2 {
		name := fmt.Sprintf("short-lived domains %d", i)
		c := &churn{rng: r.rand(name), faults: &r.faults, gate: &r.gate, domains: r.counter("short-lived domains")}
		r.start(name, c.run)
	}
}

type churn struct {
	rng     *rand.Rand
	faults  *faults
	gate    *gate
	domains *counter
	foreign smr.Seq // a goal of the domain before
}

func (c *churn) run(ctx context.Context, p *pulse) {
	for ctx.Err() == nil {
		c.gate.pass()
		o := drawOptions(c.rng)
		o.MaxPending = int64(1+c.rng.IntN(64)) * elementSize
		dom := newDomain(o, c.faults)
		c.checkGoals(dom)
		f := &flood{dom: dom, limit: o.MaxPending, faults: c.faults}
		f.run(c.rng, 300)
		if c.rng.IntN(2) == 0 {
			c.closeBusy(dom)
		} else {
			c.closeUnderReaders(dom)
		}
		f.checkIdle()
		c.domains.Add(1)
		p.beat()
		pause(ctx, below(c.rng, 5*time.Millisecond))
	}
}

// checkGoals checks which goals are reached on a domain that no other goroutine uses yet.
func (c *churn) checkGoals(dom *smr.Domain) {
	first := dom.Advance()
	second := dom.Advance()
	step := second - first
	for _, g := range [...]struct {
		name string
		goal smr.Seq
	}{
		{"the zero goal", 0},
		{"a goal of another domain", c.foreign},
		{"a goal from the future", second + 2*step},
	} {
		if dom.Poll(g.goal) {
			c.faults.add(faultGoal, "Poll said that %s is reached", g.name)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		err := dom.Wait(ctx, g.goal)
		cancel()
		if !errors.Is(err, smr.ErrSeq) {
			c.faults.add(faultGoal, "Wait for %s returned %v", g.name, err)
		}
	}
	c.foreign = second

	deferred := dom.DeferredAdvance()
	if dom.Poll(deferred) {
		c.faults.add(faultGoal, "Poll said that a goal is reached that was not committed")
	}
	dom.Commit(deferred)
	for _, goal := range [...]smr.Seq{first, second, deferred} {
		if !dom.Poll(goal) {
			c.faults.add(faultGoal, "Poll said that a goal is not reached although there is no reader")
		}
	}
}

// closeBusy closes dom while a section is open.
func (c *churn) closeBusy(dom *smr.Domain) {
	var s smr.Section
	var wg sync.WaitGroup
	// Not in this goroutine: Close would see it wait for itself.
	wg.Go(func() { s = dom.Enter() })
	wg.Wait()
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if err := dom.Close(ended); !errors.Is(err, context.Canceled) {
		c.faults.add(faultDomain, "Close with a section open returned %v", err)
	}
	if err := dom.Synchronize(context.Background()); !errors.Is(err, smr.ErrClosed) {
		c.faults.add(faultDomain, "Synchronize on a closed domain returned %v", err)
	}
	s.Leave()
	c.faults.within("Close of a short-lived domain", dom.Close)
	if st := dom.Stats(); st.PendingCalls != 0 || st.PendingBytes != 0 || st.Sections != 0 {
		c.faults.add(faultDomain, "after Close, %d calls (%d bytes) pending and %d sections open",
			st.PendingCalls, st.PendingBytes, st.Sections)
	}
}

// isClosedPanic reports whether v is what Enter and Call panic with on a closed domain.
func isClosedPanic(v any) bool { return strings.Contains(fmt.Sprint(v), "closed domain") }

// closeUnderReaders closes dom while other goroutines enter sections as fast as they can. Close
// waits for a section, or the section is refused.
func (c *churn) closeUnderReaders(dom *smr.Domain) {
	var inside atomic.Int32
	var closed atomic.Bool
	var wg sync.WaitGroup
	for range 2 {
		rng := fork(c.rng)
		wg.Go(func() {
			defer func() {
				if v := recover(); !isClosedPanic(v) {
					c.faults.add(faultDomain, "a reader of a domain that is closed ended with %v", v)
				}
			}()
			for !closed.Load() { // mostly until Enter panics
				s := dom.Enter()
				inside.Add(1)
				stay{spins: rng.IntN(200), yields: rng.IntN(2)}.pass(rng)
				inside.Add(-1)
				s.Leave()
			}
			dom.Enter() //smr:ok it panics, as the domain is closed
		})
	}
	stay{spins: c.rng.IntN(20000), yields: c.rng.IntN(3)}.pass(c.rng)
	c.faults.within("Close of a short-lived domain with readers", dom.Close)
	if n := inside.Load(); n > 0 {
		c.faults.add(faultDomain, "Close returned while %d sections were open", n)
	}
	closed.Store(true)
	wg.Wait()
}

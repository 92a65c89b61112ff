package stw

import (
	"context"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// A parking is where goroutines wait for a condition on atomic words. The goroutine that makes the
// condition true calls wake afterwards.
//
// A waiter increments parked, then checks the condition again. The other goroutine makes the
// condition true, then reads parked. All four accesses are sequentially consistent, so at least one
// notices the other.
type parking struct {
	parked satomic.Int32 // written by waiters under mu, read by wake
	mu     ssync.Mutex
	cond   ssync.Cond
}

// wait returns when done returns true. It spins for a while, then parks. It does not yield in
// between: a goroutine that yields queues up behind others that run for a whole time slice each,
// but one that is woken runs next.
func (p *parking) wait(spins int, done func() bool) {
	p.waitOr(&endless, spins, done)
}

// endless is a wait that is not given up, and not reported.
var endless = wait{ctx: context.Background()}

// waitOr is wait, but returns the context's error if x.ctx ends first.
func (p *parking) waitOr(x *wait, spins int, done func() bool) error {
	for range spins {
		if done() {
			return nil
		}
	}
	if done() {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cond.L == nil {
		p.cond.L = &p.mu
	}
	p.parked.Add(1)
	defer p.parked.Add(-1)
	return x.on(&p.cond, done)
}

// wake makes all waiters check their conditions again.
func (p *parking) wake() {
	if p.parked.Load() == 0 {
		return
	}
	p.mu.Lock()
	//lint:ignore SA2001 a waiter that held the lock sleeps by now
	p.mu.Unlock()
	p.cond.Broadcast()
}

// A waiter spins for about as long as a running domain needs to reach its next poll. With two
// parties the other one is probably running. With more parties than processors it probably is not,
// and spinning would only keep a processor from it.
const (
	spinsForTwo  = 1000
	spinsForMany = 300
)

// yieldWhile lets a party that has done its part yield the processor to those it has woken, if
// there are more parties than processors. Go does not preempt a running goroutine for a woken one,
// so if the party ran on, the others would wait a time slice for each such party. A party that is
// still missing after a few rounds is not waiting for a processor.
func yieldWhile(oversubscribed bool, waiting func() bool) {
	if !oversubscribed {
		return
	}
	for n := 0; n < 4 && waiting(); n++ {
		sched.Gosched()
	}
}

// spinsFor returns how often to check before parking: 0 if there are more parties than processors.
func spinsFor(parties int) int {
	switch procs := sched.Procs(); {
	case parties > procs:
		return 0
	case parties <= 2:
		return max(sched.Spins(spinsForTwo), 1)
	default:
		return max(sched.Spins(spinsForMany), 1)
	}
}

package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/smr"
)

// barriers checks that Barrier is exact: when it returns, every call made before it, by any
// goroutine, has run. Now and then the callers pause; then exactly as many callbacks have run as
// calls were made.
type barriers struct{}

// An account belongs to one caller. sent grows after each call, done in its callback. Written by
// the caller and by callbacks; read by barriers.
type account struct {
	fate.Shared // by many calls at a time
	sent, done  atomic.Uint64
}

type ledger struct {
	dom      *smr.Domain
	faults   *faults
	accounts [4]account

	// calling is held for reading while a caller calls.
	calling sync.RWMutex
}

func (barriers) join(r *rig) {
	l := &ledger{faults: &r.faults}
	r.after(func() { l.compare("Close", l.sent(), true) })
	l.dom = r.domain("barriers", nil)
	for i := range l.accounts {
		name := fmt.Sprintf("caller %d", i)
		a, rng := &l.accounts[i], r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				l.calling.RLock()
				for range 1 + rng.IntN(300) {
					smr.Call(l.dom, a, drawSize(rng), func(a *account) { a.done.Add(1) })
					a.sent.Add(1)
					r.writes.updates.Add(1)
				}
				l.calling.RUnlock()
				if rng.IntN(4) == 0 { // and read, so that callbacks wait
					s := l.dom.Enter()
					drawStay(rng, rng.IntN(8) == 0).pass(rng)
					s.Leave()
					r.reads.take(readFlood, &readCount{sections: 1, others: 1})
				}
				p.beat()
			}
		})
	}
	count := r.counter("barriers")
	for i := range 2 {
		name := fmt.Sprintf("barrier %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			for ctx.Err() == nil {
				r.gate.pass()
				l.barrier(rng.IntN(4) == 0)
				count.Add(1)
				p.beat()
			}
		})
	}
}

func (l *ledger) sent() (sent [4]uint64) {
	for i := range l.accounts {
		sent[i] = l.accounts[i].sent.Load()
	}
	return sent
}

// barrier calls Barrier and checks the accounts. With exactly it keeps the callers out meanwhile.
func (l *ledger) barrier(exactly bool) {
	if exactly {
		l.calling.Lock()
		defer l.calling.Unlock()
	}
	sent := l.sent()
	if err := l.dom.Barrier(context.Background()); err != nil {
		l.faults.add(faultWait, "Barrier: %v", err)
		return
	}
	l.compare("Barrier", sent, exactly)
}

func (l *ledger) compare(after string, sent [4]uint64, exactly bool) {
	for i := range l.accounts {
		done := l.accounts[i].done.Load()
		if done < sent[i] || exactly && done > sent[i] {
			l.faults.add(faultBarrier, "%d callbacks had run after %d calls and %s", done, sent[i], after)
		}
	}
}

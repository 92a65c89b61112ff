package fuzz

import (
	"context"
	"slices"
	"testing/synctest"

	"github.com/gosmr/gosmr/clock"
)

func (p *clockProgram) poll(goal clock.Seq) {
	at, ok := p.model.resolve(goal)
	want := ok && at <= p.model.wr && at <= p.oldest()
	if got := p.c.Passed(goal); got != want {
		p.fail("Passed(%#x) is %v at %#x, the oldest section is %d advances old", goal, got, p.c.Now(), p.model.wr-p.oldest())
	}
	if got := p.c.Poll(goal); got != want {
		p.fail("Poll(%#x) is %v at %#x, the oldest section is %d advances old", goal, got, p.c.Now(), p.model.wr-p.oldest())
	}
}

func (p *clockProgram) waitEnded(goal clock.Seq) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	at, ok := p.model.resolve(goal)
	err := p.c.Wait(ctx, goal)
	if ok {
		p.model.commit(goal)
	}
	var want error
	switch {
	case !ok:
		want = clock.ErrSeq
	case at > p.oldest():
		want = context.Canceled
	}
	if err != want {
		p.fail("Wait(%#x) returned %v, want %v", goal, err, want)
	}
	if want == nil || ok && p.c.Now() == p.model.seq(p.model.wr+1) {
		p.caughtUp(at)
	}
}

// caughtUp is called when a wait for a moment has committed it: at its end at the latest, and
// earlier if the clock had its maximal lead at first.
func (p *clockProgram) caughtUp(at moment) {
	if at == p.model.wr+1 {
		p.model.wr++
	}
}

func (p *clockProgram) await(goal clock.Seq) {
	at, ok := p.model.resolve(goal)
	if !ok {
		at = never
	}
	alone := !slices.ContainsFunc(p.waiters, func(w *clockWaiter) bool { return !w.ended })
	before := p.asked()
	ctx, cancel := context.WithCancel(context.Background())
	w := &clockWaiter{goal: at, cancel: cancel, result: make(chan error, 1)}
	go func() { w.result <- p.c.Wait(ctx, goal) }()
	synctest.Wait()
	if !ok {
		w.expect(p, clock.ErrSeq)
		return
	}
	p.model.commit(goal)
	p.waiters = append(p.waiters, w)
	for i, q := range p.quiescents {
		if alone && q.online && q.at < at && q.asked.Load() == before[i] {
			p.fail("quiescent reader %d was not asked for its state", i)
		}
	}
}

// asked returns how often each of the quiescent readers was asked to report.
func (p *clockProgram) asked() (n []int64) {
	for _, q := range p.quiescents {
		n = append(n, q.asked.Load())
	}
	return n
}

// expect checks that the waiter is done, with an error or nil.
func (w *clockWaiter) expect(p *clockProgram, want error) {
	w.ended = true
	select {
	case err := <-w.result:
		if err != want {
			p.fail("a wait ended with %v, want %v", err, want)
		}
	default:
		p.fail("a wait has not ended, want %v", want)
	}
	w.cancel()
}

func (p *clockProgram) cancel(i int) {
	if len(p.waiters) == 0 {
		return
	}
	w := p.waiters[i%len(p.waiters)]
	if w.ended {
		return
	}
	w.cancel()
	synctest.Wait()
	w.expect(p, context.Canceled)
}

package fuzz

import (
	"context"
	"slices"

	"github.com/gosmr/gosmr/smr"
)

// issued records a goal, and how many more advances it takes.
func (p *domainProgram) issued(goal smr.Seq, more uint64) {
	p.goals = append(p.goals, domainGoal{goal, p.d.Stats().Advances + more})
}

// goal returns a goal of the sort that the program asks for: one that it took, one of another
// domain, or one from the future. The domain never issued the last two.
func (p *domainProgram) goal() (g domainGoal, issued bool) {
	sort, arg := p.next()%4, p.next()
	switch {
	case sort == 1 && arg%2 == 0:
		return domainGoal{p.other.Advance(), 0}, false
	case sort == 1:
		return domainGoal{}, false
	case sort == 2:
		return domainGoal{p.d.DeferredAdvance() + smr.Seq(uint64(1+arg)*clockStep), 0}, false
	case len(p.goals) == 0:
		p.issued(p.d.DeferredAdvance(), 1)
	}
	return p.goals[arg%len(p.goals)], true
}

// reached reports whether every reading has ended that began before that many advances.
func (p *domainProgram) reached(at uint64) bool {
	return !slices.ContainsFunc(p.readings, func(r *reading) bool { return r.open && r.at < at })
}

func (p *domainProgram) commit(g domainGoal, issued bool) {
	before := p.d.Stats().Advances
	p.d.Commit(g.seq)
	want := before
	if issued && g.at == before+1 {
		want++
	}
	if got := p.d.Stats().Advances; got != want {
		p.fail("Commit(%#x) made %d advances of %d, want %d", g.seq, got, before, want)
	}
}

func (p *domainProgram) poll(g domainGoal, issued bool) {
	want := issued && g.at <= p.d.Stats().Advances && p.reached(g.at)
	if got := p.d.Poll(g.seq); got != want {
		p.fail("Poll(%#x) is %v", g.seq, got)
	}
}

func (p *domainProgram) wait(what int, ended bool) {
	w := &domainWaiter{what: what, result: make(chan error, 1), before: p.open(), calls: slices.Clone(p.calls), ended: ended}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	if ended {
		cancel()
	}
	var wait func() error
	switch what {
	case waitGoal:
		g, issued := p.goal()
		if w.goal = g.at; !issued {
			w.want = smr.ErrSeq
		}
		wait = func() error { return p.d.Wait(ctx, g.seq) }
	case waitSynchronize:
		w.goal = p.d.Stats().Advances + 1
		wait = func() error { return p.d.Synchronize(ctx) }
	case waitBarrier:
		wait = func() error { return p.d.Barrier(ctx) }
	case waitThrottle:
		wait = func() error { return p.d.Throttle(ctx) }
	case waitClose:
		wait = func() error { return p.d.Close(ctx) }
	}
	if what == waitClose {
		p.closed = true
	} else if p.closed {
		w.want = smr.ErrClosed
	}
	p.waiters = append(p.waiters, w)
	go func() { w.result <- wait() }()
}

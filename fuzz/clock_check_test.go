package fuzz

import (
	"testing/synctest"

	"github.com/gosmr/gosmr/clock"
)

func (p *clockProgram) before(a, b clock.Seq) {
	am, ok1 := p.model.resolve(a)
	bm, ok2 := p.model.resolve(b)
	if ok1 && ok2 && a.Before(b) != (am < bm) { // less than half the range apart
		p.fail("%#x.Before(%#x) is %v", a, b, a.Before(b))
	}
}

func (p *clockProgram) blocking(goal clock.Seq) {
	at, ok := p.model.resolve(goal)
	if !ok {
		return
	}
	want := 0
	for _, s := range p.sections {
		if s.open && s.of == nil && s.at < at {
			want++
		}
	}
	for _, q := range p.quiescents {
		if q.online && q.at < at {
			want++
		}
	}
	if got := p.c.Blocking(goal); len(got) != want {
		p.fail("Blocking(%#x) finds %d readers, want %d: %v", goal, len(got), want, got)
	}
}

// check compares the clock with the model when no goroutine runs.
func (p *clockProgram) check() {
	synctest.Wait()
	m := p.model
	oldest := p.oldest()
	for _, w := range p.waiters {
		if w.ended {
			continue
		}
		if w.goal <= oldest {
			w.expect(p, nil)
			p.caughtUp(w.goal)
		} else if len(w.result) > 0 {
			p.fail("a wait for %#x ended with %v, with a section open that is older", m.seq(w.goal), <-w.result)
		}
		if p.c.Now() == m.seq(m.wr+1) {
			p.caughtUp(w.goal)
		}
	}
	if now := p.c.Now(); now != m.seq(m.wr) {
		p.fail("now is %#x, want %#x", now, m.seq(m.wr))
		return
	}
	rd, ok := m.resolve(p.c.Reached())
	if !ok || rd < m.rd || rd > min(m.wr, oldest) {
		p.fail("reached is %#x, want %#x to %#x", p.c.Reached(), m.seq(m.rd), m.seq(min(m.wr, oldest)))
	}
	m.rd = rd
	p.checkCounts()
}

func (p *clockProgram) checkCounts() {
	open := 0
	for _, s := range p.sections {
		active := s.open
		if s.of != nil {
			active = s.of.online && s.of.period == s.period
		} else if s.open {
			open++
		}
		if s.rec.Active(s.gen) != active {
			p.fail("a section is active: %v, want %v", !active, active)
		}
	}
	for _, q := range p.quiescents {
		if q.online {
			open++
		}
	}
	if got, _ := p.c.Census(); got != open {
		p.fail("%d sections are open, want %d", got, open)
	}
	if n, _ := p.c.Counters(); n != uint64(p.model.wr%p.model.around) {
		p.fail("%d advances, want %d", n, p.model.wr%p.model.around)
	}
}

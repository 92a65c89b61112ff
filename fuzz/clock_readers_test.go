package fuzz

import (
	"reflect"
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/relacq"
)

// enter enters a section: if late is not nil, with what a reader loaded then.
func (p *clockProgram) enter(i int, late *moment) {
	m := p.model
	if late != nil && m.rd-*late > m.around/4*3-2 {
		return // a delay by which it would look like one of now: no goroutine has that
	}
	s := &clockSection{kind: clock.Tracker, at: m.wr, open: true}
	enter := p.c.Enter
	if i %= len(p.readers) + 1; i > 0 {
		if s.kind = clock.Owned; p.isOpen(p.readers[i-1]) {
			s.kind = clock.Tracker
		}
		enter = p.readers[i-1].Enter
	}
	what := panics(func() { s.rec, s.gen = enter() })
	if (what != nil) != p.sealed {
		p.fail("entering, with the clock sealed: %v: panics with %v", p.sealed, what)
	}
	if what != nil {
		return
	}
	if late != nil {
		wordOf(s.rec).Store(uint64(m.seq(*late)))
		s.at = max(*late, m.rd)
	}
	p.sections = append(p.sections, s)
}

// isOpen reports whether a section is open on the record.
func (p *clockProgram) isOpen(r *clock.Record) bool {
	return slices.ContainsFunc(p.sections, func(s *clockSection) bool { return s.open && s.rec == r })
}

// wordOf returns the word of a record that pollers load.
func wordOf(r *clock.Record) *relacq.Uint64 {
	return (*relacq.Uint64)(unsafe.Pointer(reflect.ValueOf(r).Elem().FieldByName("seq").UnsafeAddr()))
}

func (p *clockProgram) leave(s *clockSection) {
	what := panics(func() { s.rec.Leave(s.gen) })
	open := s.open
	if s.of != nil {
		open = s.of.online && s.of.period == s.period
	} else {
		s.open = false
	}
	if (what == nil) != open {
		p.fail("leaving a section that is open: %v: panics with %v", open, what)
	}
}

func (p *clockProgram) quiescent(arg int) {
	q := p.quiescents[arg/4%len(p.quiescents)]
	switch arg % 4 {
	case 0:
		q.rec.Online()
		if !q.online && !p.sealed {
			q.online, q.at = true, p.model.wr
		}
	case 1:
		q.rec.Quiesce()
		q.quiet(q.online && !p.sealed, p.model.wr)
	case 2:
		q.rec.Offline()
		q.quiet(false, 0)
	case 3:
		gen, ok := q.rec.Section()
		if ok != q.online {
			p.fail("Section of a quiescent reader that is online: %v: %v", q.online, ok)
		}
		if ok {
			p.sections = append(p.sections, &clockSection{rec: q.rec, gen: gen, kind: clock.Quiescent, of: q, period: q.period})
		}
	}
}

// quiet ends the reader's section, and begins another if it stays online.
func (q *quiescent) quiet(online bool, at moment) {
	if q.online {
		q.period++
	}
	q.online, q.at = online, at
}

// pin has a section that must not block, so it checks everything afterwards.
func (p *clockProgram) pin() {
	var (
		goal            clock.Seq
		within, without bool
		m               = p.model
		entered         = m.wr
	)
	what := panics(func() {
		rec, gen := p.c.Pin()
		goal = p.c.Advance()
		within = p.c.Poll(goal)
		rec.Leave(gen)
		without = p.c.Poll(goal)
	})
	if (what != nil) != p.sealed {
		p.fail("pinning, with the clock sealed: %v: panics with %v", p.sealed, what)
	}
	if what != nil {
		return
	}
	at := m.advance()
	p.issued(goal, at)
	if within {
		p.fail("a goal is reached within a pinned section that is older")
	}
	// Polling may have allowed a clock to advance that had its maximal lead, but has not committed
	// the goal.
	if want := at > entered && at <= m.wr && at <= p.oldest(); without != want {
		p.fail("after a pinned section Poll is %v", without)
	}
}

func (p *clockProgram) closeReader(i int) {
	r := p.readers[i]
	open := p.isOpen(r)
	if closed := r.Close(); closed == open {
		p.fail("Close of a reader, with a section open: %v: %v", open, closed)
	}
	if open {
		return
	}
	if what := panics(func() { clock.ClosedRecord().Enter() }); what == nil {
		p.fail("entered on a closed reader")
	}
	if next := p.c.NewOwned(); next != r {
		p.fail("the record of a closed reader was not used again")
	}
}

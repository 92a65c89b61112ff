package fuzz

import (
	"time"

	"github.com/gosmr/gosmr/smr"
)

// began records that a reader may hold what it finds from now on.
func (p *domainProgram) began() *reading {
	r := &reading{open: true, at: p.d.Stats().Advances, step: p.step, opened: time.Now()}
	p.readings = append(p.readings, r)
	return r
}

func (p *domainProgram) over(r *reading) { r.open, r.ended = false, time.Now() }

// open returns the open readings.
func (p *domainProgram) open() (all []*reading) {
	for _, r := range p.readings {
		if r.open {
			all = append(all, r)
		}
	}
	return all
}

// refused checks that an attempt was refused if the domain is closed, and only then.
func (p *domainProgram) refused(what string, value any) bool {
	if (value != nil) != p.closed {
		p.fail("%s, with the domain closed: %v: panics with %v", what, p.closed, value)
	}
	return value != nil
}

func (p *domainProgram) enter(i int) {
	enter := p.d.Enter
	if i %= len(p.readers) + 1; i > 0 {
		enter = p.readers[i-1].Enter
	}
	s := new(domainSection)
	if !p.refused("entering", panics(func() { s.Section = enter() })) {
		s.during = p.began()
		p.sections = append(p.sections, s)
	}
}

func (p *domainProgram) leave(i int) {
	if len(p.sections) == 0 {
		return
	}
	s := p.sections[i%len(p.sections)]
	what := panics(s.Leave)
	if (what == nil) != s.during.open {
		p.fail("leaving a section that is open: %v: panics with %v", s.during.open, what)
	}
	if s.of == nil && s.during.open {
		p.over(s.during)
	}
}

// pin makes a call in a section that must not block.
func (p *domainProgram) pin(size int) {
	c := p.newCall(size, nil)
	var within any
	what := panics(func() {
		s := p.d.Pin()
		smr.Call(p.d, c, size, (*call).run)
		if c.hasRun() {
			within = "a callback ran within the pinned section of its Call"
		}
		s.Leave()
	})
	p.made(c, what)
	if within != nil {
		p.fail("%v", within)
	}
}

func (p *domainProgram) read(panicking bool) {
	called := false
	what := panics(func() {
		p.d.Read(func(s smr.Section) {
			if called = true; !s.Active() {
				p.fail("the section of Read is not open")
			}
			if panicking {
				panic("in Read")
			}
		})
	})
	if called == p.closed || called && (what != nil) != panicking {
		p.fail("Read, with the domain closed: %v: panics with %v", p.closed, what)
	}
}

func (p *domainProgram) quiescent(arg int) {
	q := p.quiescents[arg/4%len(p.quiescents)]
	switch arg % 4 {
	case 0:
		q.Online()
		if q.during == nil && !p.closed {
			q.during = p.began()
		}
	case 1:
		q.Quiesce()
		if q.during != nil {
			q.quiet(p)
			if !p.closed {
				q.during = p.began()
			}
		}
	case 2:
		q.Offline()
		q.quiet(p)
	case 3:
		s := &domainSection{during: q.during, of: q}
		what := panics(func() { s.Section = q.Section() })
		if (what == nil) != (q.during != nil) {
			p.fail("Section of a quiescent reader that is online: %v: panics with %v", q.during != nil, what)
		}
		if what == nil {
			p.sections = append(p.sections, s)
		}
	}
}

// quiet ends the reader's reading.
func (q *quiescentReader) quiet(p *domainProgram) {
	if q.during != nil {
		p.over(q.during)
		q.during = nil
	}
}

func (p *domainProgram) closeReader(i int) {
	before := p.d.Stats().Sections
	what := panics(p.readers[i].Close)
	if what != nil {
		if len(p.open()) == 0 || p.d.Stats().Sections != before {
			p.fail("Close of a reader panics with %v", what)
		}
		return
	}
	if what := panics(func() { p.readers[i].Enter() }); what == nil {
		p.fail("entered a section of a closed reader")
	}
	p.readers[i].Close()           // does nothing
	p.readers[i] = p.d.NewReader() // a closed domain refuses its sections
}

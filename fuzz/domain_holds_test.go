package fuzz

import (
	"slices"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A domainHold is a hold of the program's, or a clone of one.
type domainHold struct {
	smr.Held[call]
	family   *holdFamily
	released bool
}

// A holdFamily is a hold and its clones, which are one to the domain.
type holdFamily struct {
	c    *call
	open int
}

// hold holds an object by a section: one of which a call is pending that the section protects, or
// one that is given to Call next.
func (p *domainProgram) hold(i, which int) {
	if len(p.sections) == 0 {
		return
	}
	s := p.sections[i%len(p.sections)]
	c, pending := p.protected(s, which)
	h := &domainHold{family: &holdFamily{c: c, open: 1}}
	what := panics(func() { h.Held = smr.Hold(s.Section, c) })
	if (what == nil) != s.during.open {
		p.fail("holding by a section that is open: %v: panics with %v", s.during.open, what)
	}
	if what != nil {
		return
	}
	c.holds++
	p.holds = append(p.holds, h)
	if !pending {
		p.call(c)
	}
}

// protected returns an object that a section protects, and whether it was given to Call.
func (p *domainProgram) protected(s *domainSection, which int) (c *call, pending bool) {
	var all []*call
	for _, c := range p.calls {
		if c.ran == 0 && !c.closure && slices.Contains(c.holders, s.during) {
			all = append(all, c)
		}
	}
	if which%2 == 0 || len(all) == 0 {
		return &call{size: which}, false
	}
	return all[which/2%len(all)], true
}

// release releases a hold, which must be refused if its whole family was released. (To release one
// twice while a clone of it is open is a mistake that only -tags invariants find.)
func (p *domainProgram) release(i int) {
	if len(p.holds) == 0 {
		return
	}
	h := p.holds[i%len(p.holds)]
	if h.released && h.family.open > 0 {
		return
	}
	what := panics(h.Release)
	if (what == nil) == h.released {
		p.fail("releasing a hold that was released: %v: panics with %v", h.released, what)
	}
	if h.released {
		return
	}
	h.released = true
	if h.family.open--; h.family.open == 0 {
		h.family.c.holds--
		h.family.c.let = time.Now()
	}
}

// clone clones a hold, which must be refused if its whole family was released.
func (p *domainProgram) clone(i int) {
	if len(p.holds) == 0 {
		return
	}
	h := p.holds[i%len(p.holds)]
	if h.released && h.family.open > 0 {
		return
	}
	clone := &domainHold{family: h.family}
	what := panics(func() { clone.Held = h.Clone() })
	if (what == nil) == h.released {
		p.fail("cloning a hold that was released: %v: panics with %v", h.released, what)
	}
	if what == nil {
		h.family.open++
		p.holds = append(p.holds, clone)
	}
}

// releaseAll releases all holds.
func (p *domainProgram) releaseAll() {
	for i := range p.holds {
		if !p.holds[i].released {
			p.release(i)
		}
	}
}

// checkHolds checks what each hold says, and counts the families that are open.
func (p *domainProgram) checkHolds() (open int) {
	seen := map[*holdFamily]bool{}
	for _, h := range p.holds {
		if h.Active() != (h.family.open > 0) {
			p.fail("a hold of %d open ones says that it is active: %v", h.family.open, h.Active())
		}
		if !h.released && h.Get() != h.family.c {
			p.fail("a hold has another object than was held")
		}
		if h.family.open > 0 && !seen[h.family] {
			seen[h.family] = true
			open++
		}
	}
	return open
}

// held reports whether some object is held.
func (p *domainProgram) held() bool {
	return slices.ContainsFunc(p.holds, func(h *domainHold) bool { return h.family.open > 0 })
}

package main

import (
	"math/rand/v2"

	"github.com/gosmr/gosmr/smr"
)

// A view is what a reader holds in its section: the elements that it loaded, and what they
// contained then.
//
// Its methods are called in pinned sections too, so they do not block: they note an error, and
// settle reports it after the section. Nor do they synchronize with a writer: the race detector
// would take that for the order between the reader's loads and the poison.
type view struct {
	held [maxHeld]holding
	n    int
	notes
}

const maxHeld = 8

type holding struct {
	b    *body
	word uint64
}

// notes are what a reader found out in its section.
type notes struct {
	ages     [reusable + 1]uint32
	spoilt   uint32 // elements whose payload was wrong
	inactive uint32 // times the open section said it was not
	example  uint64 // a payload word that was wrong
}

// load loads a few elements, as many as there is room for. A cell may be empty.
func (v *view) load(p *shelf, s smr.Section, rng *rand.Rand, count int) {
	for range min(count, maxHeld-v.n) {
		if e := p.cells[rng.IntN(len(p.cells))].ptr.Load(s); e != nil {
			v.hold(&e.body)
		}
	}
	v.check(s)
}

// hold reads a body that was just loaded, and keeps it for verify if there is room.
func (v *view) hold(b *body) {
	word, sound := b.look()
	if !sound {
		v.spoilt++
		v.example = word
	}
	if v.n < maxHeld {
		v.held[v.n] = holding{b, word}
		v.n++
		return
	}
	v.saw(b, word)
}

// saw reads a body for the last time.
func (v *view) saw(b *body, before uint64) {
	word, sound := b.look()
	v.ages[max(live, min(b.age.Load(), reusable))]++
	if !sound || word != before {
		v.spoilt++
		v.example = word
	}
}

func (v *view) check(s smr.Section) {
	if !s.Active() {
		v.inactive++
	}
}

// verify checks the elements again. s, the section that protects them, is still open; the elements
// are not read after.
func (v *view) verify(s smr.Section) {
	for _, h := range v.held[:v.n] {
		v.saw(h.b, h.word)
	}
	// What lies off the Go heap may go back to the system: keep no address of it.
	clear(v.held[:v.n])
	v.n = 0
	v.check(s)
}

// settle ends a view after s, the last of its sections, was left. It counts the reads and reports
// what was wrong.
func (v *view) settle(s smr.Section, kind readerKind, c *readCount, f *faults) {
	c.sections++
	for age, n := range v.ages {
		c.ages[age] += uint64(n)
		if n > 0 && age > unlinked {
			f.add(faultAge, "%v reader saw an element of age %d", kind, age)
		}
	}
	if v.spoilt > 0 {
		f.add(faultPayload, "%v reader saw the payload change in its section, to %#x", kind, v.example)
	}
	if v.inactive > 0 {
		f.add(faultSection, "%v reader's open section was not active", kind)
	}
	if s.Active() {
		f.add(faultSection, "%v reader's section was active after it was left", kind)
	}
	v.notes = notes{}
}

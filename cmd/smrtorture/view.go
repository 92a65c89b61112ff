package main

import (
	"math/rand/v2"
	"runtime"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A view is what a reader holds in its section: the elements that it loaded, and
// what they looked like then.
//
// Its methods are called in pinned sections too, so they don't block: an error
// is noted here and reported by settle after the section. Nor do they
// synchronize with anything that a writer does, or the race detector would take
// that for what orders the reader's loads before the poison.
type view struct {
	held [maxHeld]holding
	n    int
	notes
}

const maxHeld = 8

type holding struct {
	e    *element
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
func (v *view) load(p *pool, s smr.Section, rng *rand.Rand, count int) {
	for range min(count, maxHeld-v.n) {
		e := p.cells[rng.IntN(len(p.cells))].ptr.Load(s)
		if e == nil {
			continue
		}
		word, sound := e.look()
		if !sound {
			v.spoilt++
			v.example = word
		}
		v.held[v.n] = holding{e, word}
		v.n++
	}
	if !s.Active() {
		v.inactive++
	}
}

// verify looks at the elements again. s, the section that protects them, is
// still open, and the elements are not looked at after.
func (v *view) verify(s smr.Section) {
	for _, h := range v.held[:v.n] {
		word, sound := h.e.look()
		v.ages[max(live, min(h.e.age.Load(), reusable))]++
		if !sound || word != h.word {
			v.spoilt++
			v.example = word
		}
	}
	v.n = 0
	if !s.Active() {
		v.inactive++
	}
}

// A readCount is what one reader has read. It is the reader's own until it is
// added to a tally.
type readCount struct {
	sections uint64
	ages     [reusable + 1]uint64 // of the elements it read
}

func (c *readCount) add(other *readCount) {
	c.sections += other.sections
	for age, n := range other.ages {
		c.ages[age] += n
	}
}

func (c *readCount) reads() (sum uint64) {
	for _, n := range c.ages {
		sum += n
	}
	return sum
}

// settle ends a view: s, the last of its sections, has been left. It counts what
// was read and reports what was wrong.
func (v *view) settle(s smr.Section, kind string, c *readCount, f *faults) {
	c.sections++
	for age, n := range v.ages {
		c.ages[age] += uint64(n)
		if n > 0 && age > unlinked {
			f.add(faultAge, "%s reader saw an element of age %d", kind, age)
		}
	}
	if v.spoilt > 0 {
		f.add(faultPayload, "%s reader saw the payload change in its section, to %#x", kind, v.example)
	}
	if v.inactive > 0 {
		f.add(faultSection, "%s reader's open section was not active", kind)
	}
	if s.Active() {
		f.add(faultSection, "%s reader's section was active after it was left", kind)
	}
	v.notes = notes{}
}

// A stay is what a reader does between loading elements and looking at them
// again.
type stay struct {
	spins  int
	yields int
	sleep  time.Duration
}

// drawStay draws a stay. Most are short, since an entry is where most can go
// wrong. Those of a sleepy reader are often as long as many grace periods.
func drawStay(rng *rand.Rand, sleepy bool) stay {
	switch n := rng.IntN(512); {
	case sleepy && n < 128:
		return stay{sleep: 50*time.Microsecond + below(rng, 950*time.Microsecond)}
	case sleepy && n < 384, n == 0:
		return stay{yields: 1 + rng.IntN(4)}
	default:
		return drawPinnedStay(rng)
	}
}

// drawPinnedStay draws one that does not block.
func drawPinnedStay(rng *rand.Rand) stay {
	switch n := rng.IntN(16); {
	case n < 6:
		return stay{}
	case n < 14:
		return stay{spins: rng.IntN(200)}
	default:
		return stay{spins: rng.IntN(2000)}
	}
}

func (st stay) pass(rng *rand.Rand) {
	for range st.spins {
		rng.Uint64() // a few nanoseconds, and not removed by the compiler
	}
	for range st.yields {
		runtime.Gosched()
	}
	if st.sleep > 0 {
		time.Sleep(st.sleep)
	}
}

package clock

import (
	"github.com/gosmr/gosmr/pcpu"
)

// Enter opens a section that may block and migrate, and returns its record and
// generation. It panics if the clock is sealed.
//
// Its prologue looks whether the goroutine is to be preempted, and so must stay. The
// runtime's signal finds a loop of short sections where it can't preempt it, for most
// of that is in the runtime or pinned, and tries again 10 ms later. Without a prologue
// such a loop ran for up to a tenth of a second, and was then preempted in a section,
// for others to wait for. Leave has none: who is preempted there is in a section. A build
// with a profile of its callers would inline Enter, and the prologue with it.
//
//go:noinline
func (c *Clock) Enter() (*Record, uint64) {
	id := pcpu.Pin()
	word := c.wr.Load()
	if sl := c.slots.At(id); sl != nil {
		if r := sl.cur.Load(); r.claim(word) {
			pcpu.Unpin()
			gen := r.gen.Load()
			if c.odd.Load() == 0 {
				return r, gen
			}
			return r, c.enteredOdd(r, gen)
		}
	}
	r := c.enterSlow(id, word)
	pcpu.Unpin()
	return r, c.entered(r, r.gen.Load())
}

// Pin opens a section that keeps its processor until it is left. Where the
// build cannot pin (pcpu.Exclusive is false) it is Enter. Its prologue is as needed.
//
//go:noinline
func (c *Clock) Pin() (*Record, uint64) {
	if !pcpu.Exclusive {
		return c.Enter()
	}
	id := pcpu.Pin()
	word := c.wr.Load() | pinnedBit
	if sl := c.slots.At(id); sl != nil {
		if r := sl.cur.Load(); r.claim(word) {
			gen := r.gen.Load() | genPinned
			if c.odd.Load() == 0 {
				return r, gen
			}
			return r, c.enteredOdd(r, gen)
		}
	}
	r := c.enterSlow(id, word)
	return r, c.entered(r, r.gen.Load()|genPinned)
}

// entered completes an entry, whose record is stored, and returns the section's
// generation.
func (c *Clock) entered(r *Record, gen uint64) uint64 {
	if c.odd.Load() == 0 {
		return gen
	}
	return c.enteredOdd(r, gen)
}

// enterSlow claims a record when the obvious one is taken, or the processor has
// no slot yet. It is called, and returns, pinned.
//
//go:noinline
func (c *Clock) enterSlow(id int, word uint64) *Record {
	sl := c.slots.At(id)
	if sl == nil {
		if sl = c.slots.Grow(id); sl == nil {
			pcpu.Unpin()
			c.panicSealed()
		}
	}
	r := sl.cur.Load()
	if r.seq.Load() == 0 && r.claim(word) {
		return r
	}
	// A nested section, as a rule: the next record is idle. It earns credit like a search.
	if r = r.next; r == nil {
		r = sl.all.Load()
	}
	if r.seq.Load() == 0 && r.claim(word) {
		sl.cur.Store(r)
		sl.credit.Store(sl.credit.Load() + maxWalk)
		return r
	}
	return sl.search(c, word)
}

// enteredOdd is entered on a clock that is not like most: it executes the entry's
// own fence where the kernel has no membarrier, and has Leave do so; and it undoes the
// entry and panics if the clock is sealed.
//
// An entry looks at odd after it has stored its record, with the fence of
// entries between; a waiter looks at the record after Seal, with the heavy fence
// between. So a section that was entered as the clock was sealed is either waited
// for or refused.
//
//go:noinline
func (c *Clock) enteredOdd(r *Record, gen uint64) uint64 {
	r.fence()
	if c.fenced() {
		gen |= genFenced
	}
	if c.Sealed() {
		r.Leave(gen) // and not a mere store of 0: somebody may wait for it already
		c.panicSealed()
	}
	return gen
}

// Seal makes every later entry panic. Sections that are open stay open, and are
// seen by every later scan. It reports whether this call was the one that sealed.
func (c *Clock) Seal() bool {
	c.odd.Or(oddSealed)
	return c.slots.Seal()
}

// Sealed reports whether Seal was called.
func (c *Clock) Sealed() bool { return c.odd.Load()&oddSealed != 0 }

func (c *Clock) panicSealed() {
	panic("smr: section entered on closed domain " + c.opts.Name)
}

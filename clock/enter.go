package clock

import (
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/pcpu"
)

// Enter opens a section that may block and migrate, and returns its record and generation. It
// panics if the clock is sealed.
//
// Do not add go:nosplit, and keep go:noinline (a build with a profile would inline Enter into its
// callers): the stack check in the prologue is where a loop of short sections is preempted. The
// runtime's preemption signal mostly finds such a loop in the runtime or pinned, where it cannot
// preempt, and comes again 10 ms later. Without the check a loop ran for up to a tenth of a second,
// and was then preempted inside a section. Leave is nosplit: a goroutine preempted in its prologue
// is inside its section.
//
//go:noinline
func (c *Clock) Enter() (*Record, uint64) {
	id := pcpu.Pin()
	word := c.wr.Load()
	if sl := c.slots.At(id); sl != nil {
		if r := sl.cur.Load(); r.claim(word) {
			pcpu.Unpin()
			gen := r.gen.Load()
			if c.exceptions.Load() == 0 {
				return r, gen
			}
			return r, c.finishEntry(r, gen)
		}
	}
	r := c.enterSlow(id, word)
	pcpu.Unpin()
	return r, c.entered(r, r.gen.Load())
}

// Pin opens a section that keeps its processor until it is left. Where the build cannot pin
// (pcpu.Exclusive is false) it is Enter. As there, keep the prologue's stack check.
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
			if c.exceptions.Load() == 0 {
				return r, gen
			}
			return r, c.finishEntry(r, gen)
		}
	}
	r := c.enterSlow(id, word)
	return r, c.entered(r, r.gen.Load()|genPinned)
}

// entered completes an entry after its record is stored, and returns the section's generation.
func (c *Clock) entered(r *Record, gen uint64) uint64 {
	if c.exceptions.Load() == 0 {
		return gen
	}
	return c.finishEntry(r, gen)
}

// enterSlow claims a record when the slot's current one is taken or the processor has no slot yet.
// The caller is pinned, and stays so unless enterSlow panics.
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
	// Usually the section is nested, and the next record is idle. Like a search, this adds to the
	// walk budget.
	if r = r.next.Load(); r == nil {
		r = sl.all.Load()
	}
	if r.seq.Load() == 0 && r.claim(word) {
		sl.cur.Store(r)
		sl.walkBudget.Store(sl.walkBudget.Load() + maxWalk)
		return r
	}
	return sl.search(c, word)
}

// finishEntry completes an entry on a clock with exceptions. On a fenced clock it executes the
// entry's fence, and makes Leave execute one. If the clock is sealed it undoes the entry and
// panics.
//
// An entry stores its record and loads exceptions, with the entry's fence between; Close seals the
// clock and scans, with the heavy fence between. So a section that is entered while the clock is
// sealed is either waited for or refused.
//
//go:noinline
func (c *Clock) finishEntry(r *Record, gen uint64) uint64 {
	if c.fenced() {
		relacq.Fence() // the entry's: see Clock.heavyFence
		gen |= genFenced
	}
	if c.Sealed() {
		r.Leave(gen) // not a mere store of 0: the driver may sleep on the record
		c.panicSealed()
	}
	return gen
}

// Seal makes every later entry panic. Open sections stay open, and every later scan sees them. It
// reports whether this call sealed the clock.
func (c *Clock) Seal() bool {
	c.exceptions.Or(exceptSealed)
	return c.slots.Seal()
}

// Sealed reports whether Seal was called.
func (c *Clock) Sealed() bool { return c.exceptions.Load()&exceptSealed != 0 }

func (c *Clock) panicSealed() {
	panic("smr: section entered on closed domain " + c.opts.Name)
}

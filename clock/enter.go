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
			if uint32(gen) >= c.exceptions.Load() {
				return r, gen
			}
			return r, c.finishEntry(r, gen)
		}
	}
	r := c.enterSlow(id, word)
	pcpu.Unpin()
	return r, c.entered(r, r.gen.Load())
}

// TryEnter is Enter, except that on a sealed clock it returns no record. It repeats Enter's lines:
// to share them would cost each entry a test of its result.
//
//go:noinline
func (c *Clock) TryEnter() (*Record, uint64) {
	id := pcpu.Pin()
	word := c.wr.Load()
	if sl := c.slots.At(id); sl != nil {
		if r := sl.cur.Load(); r.claim(word) {
			pcpu.Unpin()
			gen := r.gen.Load()
			if uint32(gen) >= c.exceptions.Load() {
				return r, gen
			}
			return c.tryFinish(r, gen)
		}
	}
	r := c.claimSlow(id, word)
	pcpu.Unpin()
	if r == nil {
		return nil, 0
	}
	return c.tryFinish(r, r.gen.Load())
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
			if uint32(gen) >= c.exceptions.Load() {
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
	if uint32(gen) >= c.exceptions.Load() {
		return gen
	}
	return c.finishEntry(r, gen)
}

// enterSlow is claimSlow, but panics if the clock is sealed. The caller is pinned, and stays so
// unless enterSlow panics.
//
//go:noinline
func (c *Clock) enterSlow(id int, word uint64) *Record {
	r := c.claimSlow(id, word)
	if r == nil {
		pcpu.Unpin()
		c.panicSealed()
	}
	return r
}

// claimSlow claims a record when the slot's current one is taken or the processor has no slot yet.
// It returns nil if the processor gets none, as the clock is sealed. The caller is pinned.
func (c *Clock) claimSlow(id int, word uint64) *Record {
	sl := c.slots.At(id)
	if sl == nil {
		if sl = c.slots.Grow(id); sl == nil {
			return nil
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

// finishEntry is tryFinish, but panics if the clock is sealed.
//
//go:noinline
func (c *Clock) finishEntry(r *Record, gen uint64) uint64 {
	r, gen = c.tryFinish(r, gen)
	if r == nil {
		c.panicSealed()
	}
	return gen
}

// tryFinish completes an entry that is an exception: see Clock.exceptions. On a fenced clock it
// executes the entry's fence, and makes Leave execute one. If the clock is sealed it undoes the
// entry and returns no record. It takes a sample if it is the section's turn.
//
// An entry stores its record and loads exceptions, with the entry's fence between; Close seals the
// clock and scans, with the heavy fence between. So a section that is entered while the clock is
// sealed is either waited for or refused.
//
//go:noinline
func (c *Clock) tryFinish(r *Record, gen uint64) (*Record, uint64) {
	if c.fenced() {
		relacq.Fence() // the entry's: see Clock.heavyFence
		gen |= genFenced
	}
	if c.Sealed() {
		r.Leave(gen) // not a mere store of 0: the driver may sleep on the record
		return nil, 0
	}
	if uint32(gen) < c.sampling.below.Load() {
		r.sample(gen)
	}
	return r, gen
}

// Seal refuses every later entry: TryEnter returns no record, the others panic. Open sections stay
// open, and every later scan sees them. It reports whether this call sealed the clock.
func (c *Clock) Seal() bool {
	// All entries are sent to tryFinish, and then one store seals the clock for them.
	c.exceptions.Or(exceptSealed)
	if !c.Sealed() { // also if another Seal is about to
		c.tellOwned()
	}
	return c.slots.Seal()
}

// tellOwned makes the next entry on each Owned record load exceptions, which the caller has set: it
// moves wr. It does so even if wr is too far ahead, as it is called seldom.
func (c *Clock) tellOwned() { c.wr.Add(uint64(increment)) }

// Sealed reports whether the clock is sealed: then no later entry succeeds, and until then none is
// refused.
func (c *Clock) Sealed() bool { return c.slots.Sealed() }

func (c *Clock) panicSealed() {
	panic("smr: section entered on closed domain " + c.opts.Name)
}

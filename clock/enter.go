package clock

import (
	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/pcpu"
)

// Enter opens a section that may block and migrate, and returns its record and
// generation. It panics if the clock is sealed.
//
//go:nosplit
func (c *Clock) Enter() (*Record, uint64) {
	id := pcpu.Pin()
	word := c.wr.Load()
	if sl := c.slots.At(id); sl != nil {
		if r := sl.cur.Load(); r.claim(word) {
			gen := r.opened()
			pcpu.Unpin()
			if c.isSealed() {
				c.refuse(r, gen)
			}
			return r, gen
		}
	}
	r, gen := c.enterSlow(id, word)
	pcpu.Unpin()
	if c.isSealed() {
		c.refuse(r, gen)
	}
	return r, gen
}

// Pin opens a section that keeps its processor until it is left. Where the
// build cannot pin (pcpu.Exclusive is false) it is Enter.
func (c *Clock) Pin() (*Record, uint64) {
	if !pcpu.Exclusive {
		return c.Enter()
	}
	id := pcpu.Pin()
	word := c.wr.Load() | pinnedBit
	if sl := c.slots.At(id); sl != nil {
		if r := sl.cur.Load(); r.claim(word) {
			gen := r.opened() | genPinned
			if c.isSealed() {
				c.refuse(r, gen)
			}
			return r, gen
		}
	}
	r, gen := c.enterSlow(id, word)
	gen |= genPinned
	if c.isSealed() {
		c.refuse(r, gen)
	}
	return r, gen
}

// enterSlow claims a record when the obvious one is taken, or the processor has
// no slot yet. It is called, and returns, pinned.
//
//go:noinline
func (c *Clock) enterSlow(id int, word uint64) (*Record, uint64) {
	sl := c.slots.At(id)
	if sl == nil {
		if sl = c.slots.Grow(id); sl == nil {
			pcpu.Unpin()
			c.panicSealed()
		}
	}
	r := sl.cur.Load()
	if !r.claim(word) {
		r = sl.search(c, word)
	}
	return r, r.opened()
}

// refuse undoes an entry on a sealed clock, and panics.
//
// An entry looks at sealed after it has stored its record, with the fence of
// entries between; a waiter looks at the record after Seal, with the heavy fence
// between. So a section that was entered as the clock was sealed is either waited
// for or refused.
//
//go:noinline
func (c *Clock) refuse(r *Record, gen uint64) {
	r.Leave(gen) // and not a mere store of 0: somebody may wait for it already
	c.panicSealed()
}

// Seal makes every later entry panic. Sections that are open stay open, and are
// seen by every later scan. It reports whether this call was the one that sealed.
func (c *Clock) Seal() bool {
	c.sealed.Store(true)
	return c.slots.Seal()
}

// isSealed is an entry's look at sealed.
func (c *Clock) isSealed() bool { return c.sealed.Load() && !mutant.Is(mutant.NoSealedLook) }

// Sealed reports whether Seal was called.
func (c *Clock) Sealed() bool { return c.sealed.Load() }

func (c *Clock) panicSealed() {
	panic("smr: section entered on closed domain " + c.opts.Name)
}

package smr

import (
	"github.com/gosmr/gosmr/internal/relacq"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// Hold is hazard pointers without their fence and their validation, because a section protects the
// object until the hold is there:
//
//	reader                           reclaimer
//	Enter; p = load                  p is unlinked and called
//	slot.addr = p                    wait until the goal is reached
//	slot.state = held                    (each Leave is acquired)
//	Leave (a later store)            collect the addresses in the slots
//	use p                            run what no slot names; park the rest
//	Release: state = idle            look again: mark a slot that names p,
//	   marked? tell the reclaimer        or run p's callback
//	   of the slot
//
// Any reader that found p has left its section when p's goal is reached. Its stores to the slot came
// before its store in Leave, so they are visible to the collector, which has loaded the reached goal
// before: see the package doc of clock. That is true of all kinds of section, since each ends by a
// store to its record, in program order behind the slot's; of a section that another goroutine
// leaves, because the hand-over orders the two; and of a reader that migrates, as the scheduler
// orders what a goroutine does.
//
// Sections that begin later can't find p, and a hold is taken only in a section that protects its
// object. So once the goal is reached the slots that name p only become fewer, and each stays in
// its place: a Clone counts in the slot that is there. A search that looks at each slot once, and
// finds none that names p, proves that p is free. A Clone in a slot of its own would break that: the
// search passes the new slot before it is taken, and the old one after it was released.
//
// A search that finds p held marks the slot, by a compare-and-swap of the whole word. So the mark
// meets the hold that was seen, or fails; then that one is released, and the search goes on. The
// Release that idles a marked slot tells the reclaimer of that slot, and the reclaimer looks again, for
// the objects that waited for it. Addresses may be reused:
// an object freed and made again at p finds slots that name p only if it is held.
//
// A pool that has polled the readers of what was retired does as the reclaimer does: it collects what
// is held after it found the goal reached. What is held it gives to the domain as a call, and so to the
// reclaimer, which collects the slots once more. (See heldOf, and hold.go of package slab.)
//
// Unused, the feature costs readers nothing and the reclaimer a load for each batch of chunks.
//
// Rejected: counts of holds taken and released, to see that none is out. The slots tell that, there
// are few of them, and Hold would pay for a count and Release for a pin and another. Rejected too: a
// mark in the address, which has no free bit (a *byte may be odd).

// A holdSlot is the place of one hold.
//
//	         take (pinned)              mark, clone, release of a clone
//	idle ─────────────────────▶ held ◀────┐
//	  ▲   gen stays              │  └─────┘
//	  └──────────────────────────┘
//	    the last Release: gen + 1
type holdSlot struct {
	// state is the generation and, from its low bits on, holdMarked, holdClaimed and the number of
	// references. While it is idle only take writes it: where pcpu.Exclusive the goroutine pinned
	// to the slot's processor, by a release store, else by compare-and-swap. While it is held any
	// goroutine changes it by compare-and-swap: clones, releases, marks (under reclaimer.mu). Searches
	// load it (acquire). The last Release comes after all uses of the object.
	state relacq.Uint64

	// addr is the object's address. Stored by take before it stores state; loaded by searches after
	// they found state held. It stays until the slot is taken again.
	addr relacq.Uint64

	// Constant once the slot is published.
	next *holdSlot // of the same processor, older; nil at the end
	dom  *Domain

	told   satomic.Pointer[holdSlot] // see toldSlots
	parked *parkedObject             // what waits for this slot, linked by next; guarded by reclaimer.mu
}

// The parts of holdSlot.state.
const (
	holdMarked  = 1 << 0 // the last Release tells the reclaimer
	holdClaimed = 1 << 1 // being taken; only where pins are not exclusive
	holdRef     = 1 << 2 // one reference
	holdGen     = 1 << 24
	holdRefs    = holdGen - holdRef

	holdBusy = holdGen - 1 // any of the above
)

// take takes the slot for the object at addr, unless it is taken. The caller is pinned to the slot's
// processor. gen is for the other methods.
func (sl *holdSlot) take(addr uintptr) (gen uint64, ok bool) {
	gen = sl.state.Load()
	if gen&holdBusy != 0 {
		return 0, false
	}
	if !pcpu.Exclusive && !sl.state.CompareAndSwap(gen, gen|holdClaimed) {
		return 0, false
	}
	sl.addr.Store(uint64(addr))
	sl.state.Store(gen | holdRef)
	return gen, true
}

// holds reports whether the hold of generation gen is not released.
func (sl *holdSlot) holds(gen uint64) bool {
	word := sl.state.Load()
	return word&^holdBusy == gen && word&holdRefs != 0
}

// release gives up a reference of the hold of generation gen.
func (sl *holdSlot) release(gen uint64) {
	for {
		word := sl.state.Load()
		if word&^holdBusy != gen || word&holdRefs == 0 {
			panicReleased("Release")
		}
		left := word - holdRef
		if left&holdRefs == 0 {
			left = gen + holdGen
		}
		if !sl.state.CompareAndSwap(word, left) {
			continue
		}
		if word&holdMarked != 0 && left&holdRefs == 0 {
			sl.dom.heldReleased(sl)
		}
		return
	}
}

// clone adds a reference to the hold of generation gen.
func (sl *holdSlot) clone(gen uint64) {
	for {
		word := sl.state.Load()
		if word&^holdBusy != gen || word&holdRefs == 0 {
			panicReleased("Clone")
		}
		if word&holdRefs == holdRefs {
			panic("smr: Clone of a Held that has four million clones")
		}
		if sl.state.CompareAndSwap(word, word+holdRef) {
			return
		}
	}
}

// mark makes the last Release of the hold tell the reclaimer. word is what the caller found in state,
// with references, before it loaded addr. mark reports false if the hold is released: then another
// may have the slot. The caller holds reclaimer.mu.
func (sl *holdSlot) mark(word uint64) bool {
	gen := word &^ holdBusy
	for word&^holdBusy == gen && word&holdRefs != 0 {
		if sl.state.CompareAndSwap(word, word|holdMarked) {
			return true
		}
		word = sl.state.Load()
	}
	return false
}

// A holdGroup has the slots of one processor. Like the trackers of package clock they are taken only
// by goroutines that are pinned to the processor, and released by any: so the next free one is
// searched, from cur on, and where searches visit more than holdWalk slots on average the group
// grows by as many as it has. It does not shrink.
type holdGroup struct {
	// cur is where to begin. Stored and loaded on the processor.
	cur relacq.Pointer[holdSlot]

	// blocks leads to all slots, newest first. Swapped on the processor, loaded by searches for
	// holds.
	blocks satomic.Pointer[holdBlock]

	walkBudget relacq.Uint64 // how many slots the next search may visit, less holdWalk; used like cur
	n          satomic.Int32 // number of slots; written like cur, loaded by Slots too

	_ [pcpu.Stride]byte // the slots may be elsewhere, but not the next group
}

// A holdBlock is slots that were made at once, in the order of their links. It does not change once
// it is published.
type holdBlock struct {
	slots []holdSlot
	older *holdBlock
}

const (
	firstHolds    = 4 // of each processor that holds
	holdWalk      = 32
	maxHoldGrowth = 4096
)

func (d *Domain) newHoldGroup(int) *holdGroup {
	g := new(holdGroup)
	g.add(d.newHoldBlock(firstHolds))
	g.cur.Store(&g.blocks.Load().slots[0])
	return g
}

func (d *Domain) newHoldBlock(n int) *holdBlock {
	b := &holdBlock{slots: make([]holdSlot, n)}
	for i := range b.slots {
		b.slots[i].dom = d
		if i > 0 {
			b.slots[i-1].next = &b.slots[i]
		}
	}
	return b
}

// add publishes a block.
func (g *holdGroup) add(b *holdBlock) {
	last := &b.slots[len(b.slots)-1]
	for {
		b.older = g.blocks.Load()
		if b.older != nil {
			last.next = &b.older.slots[0]
		}
		if g.blocks.CompareAndSwap(b.older, b) {
			g.n.Add(int32(len(b.slots)))
			return
		}
	}
}

// holdSlow takes a slot for the object at addr where the current one is taken, or the processor has
// none. The caller is pinned to processor id.
//
//go:noinline
func (d *Domain) holdSlow(id int, addr uintptr) (slot *holdSlot, gen uint64) {
	g := d.holds.Grow(id)
	n := uint64(g.n.Load())
	budget := min(g.walkBudget.Load()+holdWalk, holdWalk*n)
	slot = g.cur.Load()
	for walked := range min(n, budget) {
		if slot = slot.next; slot == nil {
			slot = &g.blocks.Load().slots[0]
		}
		if gen, ok := slot.take(addr); ok {
			g.cur.Store(slot)
			g.walkBudget.Store(budget - walked)
			return slot, gen
		}
	}
	b := d.newHoldBlock(int(min(n, maxHoldGrowth)))
	slot = &b.slots[0]
	gen, _ = slot.take(addr) // nothing else sees it yet
	g.add(b)
	g.walkBudget.Store(0)
	g.cur.Store(slot)
	return slot, gen
}

// eachHold calls fn for each slot that is held, with the word of its state, until fn returns false.
// fn loads the address. A hold that is there from before until after is not missed; others may be.
func (d *Domain) eachHold(fn func(sl *holdSlot, word uint64) bool) {
	for _, g := range d.holds.All() {
		for b := g.blocks.Load(); b != nil; b = b.older {
			for i := range b.slots {
				sl := &b.slots[i]
				if word := sl.state.Load(); word&holdRefs != 0 && !fn(sl, word) {
					return
				}
			}
		}
	}
}

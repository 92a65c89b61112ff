package slab

import (
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

// A policy says what of a store's memory goes back, and when. It moves magazines and slabs
// between the parts of the store.
//
// Memory goes back to the system late: what comes and goes in waves, as it does where each
// grace period frees what was retired in the last, would else be unmapped and mapped with
// them. A few empty slabs are kept; the others go back when a tick finds that they were
// not needed for a grace period. (So the depots of slab allocators find their working set:
// Bonwick and Adams, 2001.) There is a next tick as long as there are more than are kept.
type policy struct {
	s *store // constant

	// moving is held while objects are moved from caches to the depot, and from there to the
	// heap: so the next to do that finds them all where they belong.
	moving    ssync.Mutex
	abandoned bool    // the slabs were given back, whatever was in them; guarded by moving
	shrunk    smr.Seq // a goal of the moment of the last shrink that was not too soon; guarded by moving
}

// A level says what trim does.
type level int

const (
	trimCaches    level = iota // free objects go from caches to the depot, and retired ones wait there
	trimMagazines              // and all that is free in the depot goes to the slabs
	trimUnread                 // and empty slabs without readers go to the system
	trimAll                    // and the other empty slabs, when their readers have left
)

// trim gives back memory that is not in use, and returns how many objects it has moved from
// the depot to their slabs for that.
func (p *policy) trim(l level) (moved int) {
	p.moving.Lock()
	defer p.moving.Unlock()
	return p.trimMoving(l)
}

// trimMoving is trim with moving held.
func (p *policy) trimMoving(l level) (moved int) {
	if p.abandoned { // what is in the caches was released
		return 0
	}
	s := p.s
	for _, ld := range s.unload() {
		s.keep(ld.get)
		s.keep(ld.other)
		s.depot.retire(ld.retired)
	}
	if l >= trimMagazines {
		moved = p.collectMoving(s.depot.nFull(), true)
	}
	if l >= trimUnread {
		s.release(s.heap.drop(l))
	}
	return moved
}

// collectMoving moves up to n full magazines of the depot to the slabs, with all any of them,
// else those beyond what is kept. It returns how many objects those held. moving is held.
func (p *policy) collectMoving(n int, all bool) (moved int) {
	for range n {
		m := p.s.depot.takeExcess(all)
		if m == nil {
			break
		}
		moved += m.n
		p.s.toHeap(m)
		p.s.depot.keepEmpty(m)
	}
	return moved
}

// spill moves the full magazines beyond what is kept to the slabs, some at a time: after a
// long section they are many, and a Get that trims must not wait for all.
func (p *policy) spill() {
	for p.spillSome() > 0 {
	}
}

func (p *policy) spillSome() (moved int) {
	p.moving.Lock()
	defer p.moving.Unlock()
	return p.collectMoving(32, false)
}

// drop lets go the empty slabs of a level.
func (h *heap) drop(l level) (released []*slab) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if l == trimUnread {
		return h.dropUnreadLocked(0)
	}
	return h.dropLocked(0)
}

// run is called back when every reader has reached the goal. It makes free what waits for
// that, and shrinks the heap.
func (t *tick) run() {
	s := t.s
	goal := s.depot.ready(t)
	s.policy.spill()
	s.policy.shrink(goal)
}

// shrink gives back idle slabs, after having moved objects to them if the store is wasteful:
// if a grace period has passed since it did that last, as the goal says that every reader has
// reached. If that may help once more, or it is too soon, it calls the next tick.
func (p *policy) shrink(goal smr.Seq) {
	p.moving.Lock()
	defer p.moving.Unlock()
	s := p.s
	if goal.Before(p.shrunk) {
		s.suggestTrim()
		return
	}
	again := s.wasteful() && p.trimMoving(trimMagazines) > 0
	// Before the slabs are counted: a tick called by who makes one empty from then on is not
	// too soon.
	p.shrunk = s.dom.DeferredAdvance()
	released, surplus := s.heap.dropIdle()
	s.release(released)
	if again || surplus {
		s.depot.callTick()
	}
}

// dropIdle lets go the empty slabs that were not needed since it was called last, beyond what
// is kept; where they are very many, a quarter of them, so that neither the callback nor the
// system is held up. It reports whether there are more.
func (h *heap) dropIdle() (released []*slab, surplus bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	idle := min(h.idle, h.nEmpty-h.keptLocked())
	if idle > 0 {
		released = h.dropLocked(h.nEmpty - min(idle, max(64, idle/4)))
	}
	h.idle = h.nEmpty
	return released, h.surplusLocked()
}

// spareShare is which part of its slabs a store keeps although they are empty, however
// long.
const spareShare = 8

// keptLocked is how many empty slabs are kept.
func (h *heap) keptLocked() int { return 1 + h.nSlabsLocked()/spareShare }

// surplusLocked reports whether there are more empty slabs than that.
func (h *heap) surplusLocked() bool { return h.nEmpty > h.keptLocked() }

// shedLocked lets slabs go at once rather than by a tick, after some became empty: all in a
// closed heap; those that are not kept where the domain is closed, and so takes no tick;
// and where little is left of the budget twice as many as became empty, so that the rest
// goes soon, but one Free does not wait for all of it.
func (h *heap) shedLocked(emptied int) (released []*slab) {
	switch {
	case h.closed:
		return h.dropLocked(0)
	case h.s.dom.Closed():
		return h.dropLocked(h.keptLocked())
	case h.s.budget.scarce():
		return h.dropUnreadLocked(max(h.keptLocked(), h.nEmpty-2*emptied))
	}
	return nil
}

// minWaste is what may lie idle in a store.
const minWaste = 1 << 20

// wasteful reports whether of the memory in slabs that are not empty most is free, and it
// is more than a little: then more of them could be empty.
func (s *store) wasteful() bool {
	h := s.heap.counts()
	reserved := h.reserved - int64(h.empty)*int64(s.slabSize)
	if reserved < minWaste {
		return false
	}
	st := s.stats()
	return reserved-st.InUseBytes-st.PendingBytes >= max(minWaste, reserved/2)
}

// suggestTrim is called when objects became free. If the store is wasteful it has a tick
// come, which moves them to their slabs.
func (s *store) suggestTrim() {
	if s.wasteful() {
		s.depot.callTick()
	}
}

// abandon ends a store whose handle was dropped, and returns its slabs. A tick that is
// still to come finds nothing to do.
func (p *policy) abandon() (released []*slab) {
	p.moving.Lock() // a trim or tick that has begun ends first
	defer p.moving.Unlock()
	p.abandoned = true
	d := &p.s.depot
	d.close()
	d.readyAll()
	for d.takeExcess(true) != nil {
	}
	return p.s.heap.abandon()
}

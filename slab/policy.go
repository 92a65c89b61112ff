package slab

import (
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

// A policy decides which memory of a store goes back, and when. It moves magazines and slabs
// between the parts of the store.
//
// Memory goes back late: each grace period frees what was retired in the last, so slabs become
// empty and are needed again in waves. While more slabs are empty than are kept, a deferred call
// of shrink runs each grace period, and lets go those that were not needed since the last. (The
// working set of Bonwick and Adams, 2001.)
type policy struct {
	s *store // constant

	// moving is held while objects move from caches to the depot, and from there to the heap.
	// So the next holder finds each of them where it belongs.
	moving    ssync.Mutex
	abandoned bool // the slabs were given back with all objects; guarded by moving

	// called: a call of shrink is on its way. Set by callShrink, after the change that asks for
	// it; cleared by shrink, before it counts slabs. So the change is counted, or calls the next.
	called satomic.Bool
}

// A level says what trim does: each level does all that the ones before it do.
type level int

const (
	trimCaches    level = iota // move free objects from caches to the depot; retired ones wait there
	trimMagazines              // move free objects from the depot to the slabs
	trimUnread                 // give empty slabs without readers to the system
	trimAll                    // and the other empty slabs after a grace period
)

// trim gives back memory that is not in use. It returns how many objects it moved from the depot
// to their slabs.
func (p *policy) trim(l level) (moved int) {
	p.moving.Lock()
	defer p.moving.Unlock()
	return p.trimMoving(l)
}

// trimMoving is trim with moving held.
func (p *policy) trimMoving(l level) (moved int) {
	if p.abandoned { // the objects in the caches were released
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
		s.samples.trim()
	}
	return moved
}

// collectMoving moves up to n full magazines from the depot to the slabs: with all any of them,
// else those beyond what is kept. It returns how many objects it moved. moving is held.
func (p *policy) collectMoving(n int, all bool) (moved int) {
	for range n {
		m := p.s.depot.takeExcess(all)
		if m == nil {
			break
		}
		moved += m.n
		p.s.toHeap(m)
		p.s.depot.keep(m)
	}
	return moved
}

// spill moves the full magazines beyond what is kept to the slabs, some at a time: after a long
// section they are many, and a Get that trims must not wait for all.
func (p *policy) spill() {
	for p.spillSome() > 0 {
	}
}

func (p *policy) spillSome() (moved int) {
	p.moving.Lock()
	defer p.moving.Unlock()
	return p.collectMoving(32, false)
}

func (h *heap) drop(l level) (released []*slab) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.dropLocked(0, l == trimUnread)
}

// callShrink makes a deferred call of shrink, unless one is on its way. So at least a grace
// period passes from one count of empty slabs to the next. A closed domain takes no call, except
// from a callback: see shedLocked.
func (p *policy) callShrink() {
	if p.called.CompareAndSwap(false, true) && !smr.TryCall(p.s.dom, p, 0, (*policy).shrink) {
		p.called.Store(false)
	}
}

// shrink gives back idle slabs. If the store is wasteful, it first moves free objects to their
// slabs. It calls itself again if that moved any, or if there are more slabs to give back.
func (p *policy) shrink() {
	p.moving.Lock()
	defer p.moving.Unlock()
	s := p.s
	moved := s.wasteful() && p.trimMoving(trimMagazines) > 0
	// Not before the trim, which may take longer than a grace period: the next would count the slabs
	// that are counted here. What changes from now on calls the next; the rest is checked below.
	p.called.Store(false)
	released, surplus := s.heap.dropIdle()
	s.release(released)
	again := moved || s.depot.nFull() > 0 && s.wasteful()
	// A store in use may be wasteful for ever, and Close of the domain waits for its callbacks.
	if surplus || again && !s.dom.Closed() {
		p.callShrink()
	}
}

// dropIdle lets empty slabs go that are not kept and were not needed since its last call. Of
// very many it drops a quarter, so that neither the callback nor the system is held up. It
// reports whether more empty slabs remain than are kept.
func (h *heap) dropIdle() (released []*slab, surplus bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	idle := min(h.idle, h.nEmpty-h.keptLocked())
	if idle > 0 {
		released = h.dropLocked(h.nEmpty-min(idle, max(64, idle/4)), false)
	}
	h.idle = h.nEmpty
	return released, h.surplusLocked()
}

// keptLocked returns how many empty slabs are kept: one, and an eighth of all.
func (h *heap) keptLocked() int { return 1 + h.nSlabsLocked()/8 }

// surplusLocked reports whether there are more empty slabs than that.
func (h *heap) surplusLocked() bool { return h.nEmpty > h.keptLocked() }

// shedLocked lets slabs go at once rather than by shrink, after some became empty: all in a
// closed heap; those that are not kept if the domain is closed, and so takes no call; and if
// little is left of the budget, twice as many as became empty. So the rest goes soon, and no
// Free waits for all of it.
func (h *heap) shedLocked(emptied int) (released []*slab) {
	switch {
	case h.closed:
		return h.dropLocked(0, false)
	case h.s.dom.Closed():
		return h.dropLocked(h.keptLocked(), true)
	case h.s.budget.scarce():
		return h.dropLocked(max(h.keptLocked(), h.nEmpty-2*emptied), true)
	}
	return nil
}

// wasteful reports whether most memory of the slabs that are not empty is free, and more than a
// little. Then more of them could be empty.
func (s *store) wasteful() bool {
	const minWaste = 1 << 20
	h := s.heap.counts()
	reserved := h.reserved - h.emptyBytes
	if reserved < minWaste {
		return false
	}
	st := s.stats()
	return reserved-st.InUseBytes-st.PendingBytes >= max(minWaste, reserved/2)
}

// suggestTrim is called when objects became free. If the store is wasteful it calls shrink,
// which moves them to their slabs.
func (s *store) suggestTrim() {
	if s.wasteful() {
		s.policy.callShrink()
	}
}

// abandon ends a store whose handle was dropped, and returns its slabs. A callback that is still
// to come finds nothing to do.
func (p *policy) abandon() (released []*slab) {
	p.moving.Lock() // a trim or shrink that has begun ends first
	defer p.moving.Unlock()
	p.abandoned = true
	d := &p.s.depot
	d.close()
	d.readyAll()
	for d.takeExcess(true) != nil {
	}
	return p.s.heap.abandon()
}

package slab

import (
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/held"
)

// A retired object may be held: see smr.Hold. When the goal of its magazine is reached, the set of
// what is held says so, once and for all: no reader can take a hold of it any more. Then it leaves
// the magazine, the rest of which is free, and is given to the domain as a deferred call, which
// waits for the Release:
//
//	waiting ──goal reached──▶ not held ─────────────────────▶ full
//	(a magazine)          └─▶ held ──▶ a call (smr.Call) ──▶ its slab
//
// So while nothing is held, a batch of magazines costs a load. The slots are read after the goal was
// found reached, which acquires each Leave: see hold_slot.go of package smr.

// setAsideLocked takes the objects that are held out of a magazine whose goal is reached.
func (d *depot) setAsideLocked(m *magazine, set *held.Set) {
	var refused *magazine
	for i := 0; i < m.n; {
		p := m.objs[i]
		if !set.Has(uintptr(p)) {
			i++
			continue
		}
		if !d.s.holds.Call(p, int(d.s.size), d.s.released) {
			if refused == nil {
				refused = &magazine{goal: m.goal}
			}
			refused.push(p)
		}
		m.n--
		m.objs[i] = m.objs[m.n]
	}
	if refused != nil {
		d.refused.push(refused)
	}
}

// waitAgainLocked puts back to waiting what is held on a closed domain, which took no call. What
// looks for free objects finds it there, Close at the latest.
func (d *depot) waitAgainLocked() {
	for m := d.refused.pop(); m != nil; m = d.refused.pop() {
		d.waiting.insert(m)
	}
}

// objectReleased is called back for an object that was held and is no more: it goes to its slab.
func (s *store) objectReleased(p unsafe.Pointer) {
	s.policy.moving.Lock()
	defer s.policy.moving.Unlock()
	if s.policy.abandoned {
		return
	}
	m := s.depot.getEmpty()
	m.push(p)
	s.check.ready(m)
	s.toHeap(m)
	s.depot.keep(m)
	s.readied.Add(1) // and not before, for Close
	s.freed.tell()
	s.suggestTrim()
}

// slabsOf returns the first addresses of the slabs that would have the addresses of a set, were they
// of slabs of a size, off the Go heap.
func slabsOf(set *held.Set, slabSize uintptr) map[uintptr]bool {
	bases := make(map[uintptr]bool)
	for addr := range set.All {
		bases[addr&^(slabSize-1)] = true
	}
	return bases
}

// has reports whether a slab is off the Go heap and begins at one of bases.
func (h *heap) has(bases map[uintptr]bool) bool {
	if h.s.newCells != nil {
		return false
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sl := range h.slabs {
		if sl != nil && bases[uintptr(sl.base)] {
			return true
		}
	}
	return false
}

// heldThroughout reports whether each slab has an object that is held. The slabs are off the Go heap.
func (h *heap) heldThroughout(set *held.Set) bool {
	bases := slabsOf(set, h.s.slabSize)
	h.mu.Lock()
	defer h.mu.Unlock()
	return !slices.ContainsFunc(h.slabs, func(sl *slab) bool { return sl != nil && !bases[uintptr(sl.base)] })
}

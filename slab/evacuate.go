package slab

import (
	"context"
	"runtime"
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/compaction"
	"github.com/gosmr/gosmr/internal/held"
)

// A compactor is Blocks with the methods that only smrmap needs.
type compactor struct{ *Blocks }

func init() { // before smrmap, which imports this package, is initialized
	compaction.Of = func(blocks any) compaction.Blocks { return compactor{blocks.(*Blocks)} }
}

// Evacuate is [compaction.Blocks.Evacuate].
func (b compactor) Evacuate(ctx context.Context, n int, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(b.Blocks)
	if err := held.Of(b.dom).Barrier(ctx); err != nil { // fails inside a callback, for which another evacuation may wait
		return 0, err
	}
	_, victim := b.victims(n)
	return victim.evacuateAlone(ctx, 1, vacate)
}

// victims returns stores that may give up slabs for blocks of n bytes. roomy is the one with the
// most free blocks, nil if none has a slab's worth of them, which is room for the blocks in use
// of any slab. victim is roomy or else the largest one, nil if none has a slab. A store with an object
// that is held in each slab is taken if there is no other: what is held now may be released by the end.
func (b *Blocks) victims(n int) (roomy, victim *store) {
	if set := b.classes[0].holds.Now(); set != nil {
		roomy, victim = b.victimsBut(n, func(s *store) bool { return s.heap.heldThroughout(set) })
		if victim != nil {
			return roomy, victim
		}
	}
	return b.victimsBut(n, func(*store) bool { return false })
}

// victimsBut is victims of those stores that are not to be spared.
func (b *Blocks) victimsBut(n int, spared func(*store) bool) (roomy, victim *store) {
	var mostFree, mostReserved int64
	for c := range b.classes {
		if n >= 0 && n <= maxObject && c == class(n) {
			continue
		}
		s := &b.classes[c]
		st := s.stats()
		if st.ReservedBytes == 0 || spared(s) {
			continue
		}
		if st.FreeBytes > mostFree && st.FreeBytes >= int64(s.slabSize) {
			roomy, mostFree = s, st.FreeBytes
		}
		if st.ReservedBytes > mostReserved {
			victim, mostReserved = s, st.ReservedBytes
		}
	}
	if roomy != nil {
		victim = roomy
	}
	return roomy, victim
}

// GetFree is [compaction.Blocks.GetFree].
func (b compactor) GetFree(n int) []byte {
	defer runtime.KeepAlive(b.Blocks)
	if n < 0 || n > maxObject {
		return nil
	}
	s := &b.classes[class(n)]
	p := s.getFree()
	if p == nil {
		return nil
	}
	return unsafe.Slice((*byte)(p), s.size)[:n]
}

// getFree is get without growing, and without samples: those are none of the free objects.
func (s *store) getFree() unsafe.Pointer {
	c := s.pin()
	p := c.getAlways()
	c.unpin()
	if p == nil {
		m := s.take(true)
		if m == nil {
			return nil
		}
		p = s.load(m)
	}
	s.check.got(p)
	return p
}

// evacuateAlone is evacuate of up to want bytes, one at a time per store. s may be nil.
func (s *store) evacuateAlone(ctx context.Context, want int64, vacate func(block []byte)) (released int64, err error) {
	if s == nil {
		return 0, nil
	}
	if err := lock(ctx, s.evacuator); err != nil {
		return 0, err
	}
	defer func() { <-s.evacuator }()
	slabs := int((want + int64(s.slabSize) - 1) / int64(s.slabSize))
	return s.evacuate(ctx, slabs, func(p unsafe.Pointer) { vacate(unsafe.Slice((*byte)(p), s.size)) })
}

// evacuate is Evacuate for up to n slabs of one store. evacuator is held.
//
// Meanwhile the slabs are in no list from which magazines are filled, and the depot keeps
// nothing full. So retired and freed objects find their way back to their slabs, which stay
// until the end even if they become empty. The first pass may miss objects in a cache or on
// their way to a user, so there are two.
func (s *store) evacuate(ctx context.Context, n int, vacate func(unsafe.Pointer)) (released int64, err error) {
	// Move what is free in caches and the depot, and what waits for readers, to the slabs.
	// Perhaps that empties enough.
	before := s.heap.counts().reserved
	s.policy.trim(trimAll)
	if err = s.holds.Barrier(ctx); err != nil {
		return 0, err
	}
	s.policy.trim(trimAll)
	if released = before - s.heap.counts().reserved; released > 0 {
		return released, nil
	}
	s.depot.setBypass(true)
	slabs := s.heap.beginEvacuation(n)
	defer func() { // also if vacate panics
		empty, surplus := s.heap.endEvacuation(slabs)
		s.depot.setBypass(false)
		s.release(empty)
		if surplus {
			s.policy.callShrink()
		}
		for _, sl := range empty {
			released += int64(sl.opened)
		}
	}()
	for range 2 {
		taken := 0
		for _, sl := range slabs {
			for _, p := range s.heap.takenOf(sl) {
				vacate(p)
				taken++
			}
		}
		if taken == 0 {
			break
		}
		s.policy.trim(trimAll)
		if err = s.holds.Barrier(ctx); err != nil {
			break
		}
		s.policy.trim(trimMagazines) // what callbacks on two workers made full, one for the other
	}
	return 0, err
}

// beginEvacuation takes the n slabs with the most free objects out of use, and returns them. One with
// an object that is held may not become empty: such are taken if there are no others, since what is held
// now may be released by the end.
func (h *heap) beginEvacuation(n int) []*slab {
	held := slabsOf(h.s.holds.Now(), h.s.slabSize) // Blocks are off the Go heap
	h.mu.Lock()
	defer h.mu.Unlock()
	var best, doubtful []*slab
	for _, sl := range h.slabs {
		switch {
		case sl == nil || sl.nFree == sl.n:
		case held[uintptr(sl.base)]:
			doubtful = append(doubtful, sl)
		default:
			best = append(best, sl)
		}
	}
	if best == nil {
		best = doubtful
	}
	slices.SortFunc(best, func(a, b *slab) int { return b.nFree - a.nFree })
	best = best[:min(n, len(best))]
	for _, sl := range best {
		if sl.nFree > 0 {
			h.partial.remove(sl)
		}
		sl.evacuated = true
	}
	return best
}

// takenOf returns the objects of a slab that are out of it.
func (h *heap) takenOf(sl *slab) (taken []unsafe.Pointer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range sl.n {
		if sl.free[i/64]>>(i%64)&1 == 0 {
			taken = append(taken, sl.object(i))
		}
	}
	return taken
}

// endEvacuation lets go the slabs that are empty, and takes the others into use again. It reports
// whether more empty slabs remain than are kept of so few.
func (h *heap) endEvacuation(slabs []*slab) (released []*slab, surplus bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sl := range slabs {
		sl.evacuated = false
		switch {
		case sl.nFree == sl.n:
			h.stampLocked(sl)
			h.forgetLocked(sl)
			released = append(released, sl)
		case sl.nFree > 0:
			h.partial.push(sl)
		}
	}
	return released, h.surplusLocked()
}

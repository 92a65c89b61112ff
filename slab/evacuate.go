package slab

import (
	"context"
	"runtime"
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/compaction"
)

// A compactor is Blocks with what smrmap needs of them and users do not.
type compactor struct{ *Blocks }

func init() { // before smrmap, which imports this package, is initialized
	compaction.Of = func(blocks any) compaction.Blocks { return compactor{blocks.(*Blocks)} }
}

// Evacuate is [compaction.Blocks.Evacuate].
func (b compactor) Evacuate(ctx context.Context, n int, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(b.Blocks)
	// This fails inside a callback, for which another evacuation may wait.
	if err := b.dom.Barrier(ctx); err != nil {
		return 0, err
	}
	most, largest := b.victims(n)
	if most == nil {
		most = largest
	}
	return most.evacuateAlone(ctx, 1, vacate)
}

// victims returns the stores that may give up slabs for blocks of n bytes: the one with the
// most free blocks, nil if none has as many as a slab holds, so that there would be room for
// those in use of any slab; and the largest one, nil if none has a slab.
func (b *Blocks) victims(n int) (most, largest *store) {
	not := -1
	if n >= 0 && n <= maxObject {
		not = class(n)
	}
	var mostFree, mostReserved int64
	for c := range b.classes {
		if c == not {
			continue
		}
		s := &b.classes[c]
		st := s.stats()
		if st.FreeBytes > mostFree && st.FreeBytes >= int64(s.slabSize) {
			most, mostFree = s, st.FreeBytes
		}
		if st.ReservedBytes > mostReserved {
			largest, mostReserved = s, st.ReservedBytes
		}
	}
	return most, largest
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

// getFree is get without growing.
func (s *store) getFree() unsafe.Pointer {
	c := s.pin()
	p := c.get()
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

// evacuateAlone is evacuate, of up to want bytes, once no other is at it. A nil store has
// nothing to give.
func (s *store) evacuateAlone(ctx context.Context, want int64, vacate func(block []byte)) (released int64, err error) {
	if s == nil {
		return 0, nil
	}
	select {
	case s.evacuator <- struct{}{}:
		defer func() { <-s.evacuator }()
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	slabs := int((want + int64(s.slabSize) - 1) / int64(s.slabSize))
	return s.evacuate(ctx, slabs, func(p unsafe.Pointer) { vacate(unsafe.Slice((*byte)(p), s.size)) })
}

// evacuate is Evacuate for up to n slabs of one store. evacuator is held.
//
// From begin to end the slabs are in no list from which magazines are filled, and the depot
// keeps nothing full: what is retired and freed finds its way back to its slab, which stays
// until the end, also when it is empty. What was on its way to a user, or in a cache, may
// be missed, and so everything is done twice.
func (s *store) evacuate(ctx context.Context, n int, vacate func(unsafe.Pointer)) (released int64, err error) {
	// Show which slabs have free objects: those in caches and the depot, and those that
	// wait for readers. Perhaps that is enough.
	before := s.heap.counts().reserved
	s.policy.trim(trimAll)
	if err = s.dom.Barrier(ctx); err != nil {
		return 0, err
	}
	s.policy.trim(trimAll)
	if released = before - s.heap.counts().reserved; released > 0 {
		return released, nil
	}
	s.depot.setBypass(true)
	slabs := s.heap.beginEvacuation(n)
	defer func() { // also if vacate panics
		empty := s.heap.endEvacuation(slabs)
		s.depot.setBypass(false)
		s.release(empty)
		released = int64(len(empty)) * int64(s.slabSize)
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
		if err = s.dom.Barrier(ctx); err != nil {
			break
		}
	}
	return 0, err
}

// beginEvacuation takes the n slabs with the most free objects out of use, and returns them.
func (h *heap) beginEvacuation(n int) []*slab {
	h.mu.Lock()
	defer h.mu.Unlock()
	var best []*slab
	for _, sl := range h.slabs {
		if sl != nil && sl.nFree < h.s.perSlab {
			best = append(best, sl)
		}
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

// takenOf returns the objects of a slab that are not in it.
func (h *heap) takenOf(sl *slab) (taken []unsafe.Pointer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.s.perSlab {
		if sl.free[i/64]>>(i%64)&1 == 0 {
			taken = append(taken, sl.object(i))
		}
	}
	return taken
}

// endEvacuation lets the slabs go that are empty, and takes the others into use again.
func (h *heap) endEvacuation(slabs []*slab) (released []*slab) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sl := range slabs {
		sl.evacuated = false
		switch {
		case sl.nFree == h.s.perSlab:
			h.stampLocked(sl)
			h.forgetLocked(sl)
			released = append(released, sl)
		case sl.nFree > 0:
			h.partial.push(sl)
		}
	}
	return released
}

package slab

import (
	"context"
	"runtime"
	"slices"
	"unsafe"
)

// Evacuate gives the memory of one slab back to the budget, so that blocks of n bytes can
// have it: where sizes change, memory would else stay with the sizes it was first used
// for. Of the sizes other than that of n bytes (of all, if n is negative) it takes the one
// with the most free blocks in its slabs, or else the largest one, and of that the slab
// with the fewest blocks in use. Blocks above 64 KiB are in no slab.
//
// It calls vacate for each block of the slab that may be in use. A block may also be
// retired, or on the way to its first user, who writes to it: vacate has to find that
// out, by looking whether the block is where its users look for it. If it is, vacate may
// move what is in it to another block (see [Blocks.GetFree]) or do without, unlinks it,
// and retires it. Blocks that were retired are not given out again meanwhile. Blocks that
// somebody was about to use are asked for a second time. vacate must not call Evacuate.
//
// It returns how many bytes went back to the budget: 0 if there is no slab of another
// size, or some block of the slab is still in use; then the slab is as before, but for
// what was vacated. Calls for one size wait for one another, and for readers: it returns
// the errors of [smr.Domain.Barrier], and must not be called inside a section.
//
// Cost: a fence on all processors, one or two calls of vacate for each block of 64 KiB or
// more, and two or three grace periods. Idea: memcached's slab rebalancer.
func (b *Blocks) Evacuate(ctx context.Context, n int, vacate func(block []byte)) (released int64, err error) {
	defer runtime.KeepAlive(b)
	// Inside a callback this fails, rather than wait for somebody who waits for it.
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

// GetFree is [Blocks.Get] for what is free in slabs: it takes no memory from the budget,
// and returns nil if there is nothing, or n is above 64 KiB.
func (b *Blocks) GetFree(n int) []byte {
	defer runtime.KeepAlive(b)
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
// keeps nothing: what is retired and freed finds its way back to its slab, which stays
// until the end, also when it is whole. What was on its way to somebody, or in a cache, may
// be missed, and so everything is done twice.
func (s *store) evacuate(ctx context.Context, n int, vacate func(unsafe.Pointer)) (released int64, err error) {
	// Show which slabs have free objects: those in caches and the depot, and those that
	// wait for readers. Perhaps that is enough.
	before := s.bytes()
	s.trim()
	if err = s.dom.Barrier(ctx); err != nil {
		return 0, err
	}
	s.trim()
	if released = before - s.bytes(); released > 0 {
		return released, nil
	}
	slabs := s.beginEvacuation(n)
	defer func() { // also if vacate panics
		released = int64(s.endEvacuation(slabs)) * int64(s.slabSize)
	}()
	for range 2 {
		taken := 0
		for _, sl := range slabs {
			for _, p := range s.takenOf(sl) {
				vacate(p)
				taken++
			}
		}
		if taken == 0 {
			break
		}
		s.trim()
		if err = s.dom.Barrier(ctx); err != nil {
			break
		}
	}
	return 0, err
}

// bytes returns how much is taken from the system.
func (s *store) bytes() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reserved
}

// beginEvacuation takes the n slabs with the most free objects out of use.
func (s *store) beginEvacuation(n int) []*slab {
	s.mu.Lock()
	defer s.unlock()
	var best []*slab
	for _, sl := range s.slabs {
		if sl != nil && sl.nFree < s.perSlab {
			best = append(best, sl)
		}
	}
	slices.SortFunc(best, func(a, b *slab) int { return b.nFree - a.nFree })
	best = best[:min(n, len(best))]
	for _, sl := range best {
		if sl.nFree > 0 {
			s.partial.remove(sl)
		}
		sl.evacuated = true
	}
	s.evacuating = len(best)
	return best
}

// takenOf returns the objects of a slab that are not in it.
func (s *store) takenOf(sl *slab) (taken []unsafe.Pointer) {
	s.mu.Lock()
	defer s.unlock()
	for i := range s.perSlab {
		if sl.free[i/64]>>(i%64)&1 == 0 {
			taken = append(taken, sl.object(i))
		}
	}
	return taken
}

// endEvacuation gives the slabs back that are whole, takes the others into use again, and
// returns how many went.
func (s *store) endEvacuation(slabs []*slab) (whole int) {
	s.mu.Lock()
	defer s.unlock()
	s.evacuating = 0
	for _, sl := range slabs {
		sl.evacuated = false
		switch {
		case sl.nFree == s.perSlab:
			whole++
			sl.becameWhole()
			s.dropLocked(sl)
		case sl.nFree > 0:
			s.partial.push(sl)
		}
	}
	return whole
}

// keeps reports whether the depot may keep magazines: not while objects have to find their
// way back to a slab. s.mu is held.
func (s *store) keeps() bool {
	return !s.closed && s.evacuating == 0
}

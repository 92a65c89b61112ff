package slab

import (
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/pcpu"
)

// A cache is what one processor holds of a store: magazines for taking, and one for
// retiring. Who holds busy owns the loaded magazines.
//
// busy is 1 while somebody does. Where pcpu.Exclusive it is written by the
// processor alone; else taken by compare-and-swap. loaded is installed by the
// holder of busy, by compare-and-swap, and swapped out by unload. The holder stores
// busy and then loads loaded, with the light fence between; unload swaps loaded and
// then looks at busy, with the heavy fence between. Either the holder finds nothing
// loaded, or unload finds it busy and waits.
type cache struct {
	busy   relacq.Uint64
	loaded relacq.Pointer[loaded]

	// Counts, written by the holder of busy, read by Stats from anywhere.
	gets, frees, retires relacq.Uint64

	_ [pcpu.Stride - 4*unsafe.Sizeof(relacq.Uint64{}) - unsafe.Sizeof(relacq.Pointer[loaded]{})]byte
}

// loaded is the magazines of a cache. It is dropped when it was unloaded.
type loaded struct {
	get     *magazine // Get takes from it, Free puts into it
	other   *magazine // full, empty or in between: what get was before
	retired *magazine
}

// A local is one processor's end of a store. Between pin and unpin the goroutine
// keeps its processor, so it must not block, panic, or run for long.
type local struct {
	s  *store
	c  *cache
	ld *loaded // nil: nothing cached, or somebody else is at it
}

// pin takes the cache of this processor.
func (s *store) pin() local {
	c := s.caches.At(pcpu.Pin())
	if c != nil && c.lock(s) {
		return local{s, c, c.loaded.Load()}
	}
	return local{s: s}
}

func (l local) unpin() {
	if l.c != nil {
		l.c.busy.Store(0)
	}
	pcpu.Unpin()
}

// lock takes the cache, and reports whether it got it.
func (c *cache) lock(s *store) bool {
	if c.busy.Load() != 0 {
		return false
	}
	if !pcpu.Exclusive {
		return c.busy.CompareAndSwap(0, 1)
	}
	c.busy.Store(1)
	s.fence.Light() // pairs with unload
	return true
}

// get returns a free object, nil if there is none at hand.
func (l local) get() unsafe.Pointer {
	ld := l.ld
	if ld == nil {
		return nil
	}
	m := ld.get
	if m.n == 0 {
		if m = ld.other; m.n == 0 {
			return nil
		}
		ld.get, ld.other = m, ld.get
	}
	m.n--
	l.c.gets.Store(l.c.gets.Load() + 1)
	return m.objs[m.n]
}

// free puts an object back, and reports whether there was room for it.
func (l local) free(p unsafe.Pointer) bool {
	ld := l.ld
	if ld == nil {
		return false
	}
	m := ld.get
	if m.n >= l.s.capacity {
		if m = ld.other; m.n >= l.s.capacity {
			return false
		}
		ld.get, ld.other = m, ld.get
	}
	m.objs[m.n] = p
	m.n++
	l.c.frees.Store(l.c.frees.Load() + 1)
	return true
}

// retire puts an object with those that wait for readers, and reports whether there
// was room for it.
func (l local) retire(p unsafe.Pointer) bool {
	ld := l.ld
	if ld == nil {
		return false
	}
	m := ld.retired
	if m.n >= l.s.capacity {
		return false
	}
	m.objs[m.n] = p
	m.n++
	l.c.retires.Store(l.c.retires.Load() + 1)
	return true
}

// getSlow is get when nothing is at hand: it loads the cache.
func (s *store) getSlow() (unsafe.Pointer, error) {
	m, err := s.takeOrGrow()
	if err != nil {
		return nil, err
	}
	m.n--
	p := m.objs[m.n]
	l := s.pinLoaded()
	if l.ld != nil {
		l.c.gets.Store(l.c.gets.Load() + 1)
		if l.ld.get.n == 0 {
			l.ld.get, m = m, l.ld.get
		} else if l.ld.other.n == 0 {
			l.ld.other, m = m, l.ld.other
		}
	} else {
		s.alone.gets.Add(1)
	}
	l.unpin()
	s.keep(m)
	return p, nil
}

// takeOrGrow returns a magazine of free objects: from the depot or the slabs, from a
// new slab, from the other processors' caches, or when those of others who share the
// budget gave back what they can.
func (s *store) takeOrGrow() (*magazine, error) {
	for {
		if m := s.take(false); m != nil {
			return m, nil
		}
		err := s.grow()
		if err == nil {
			continue
		}
		s.drain()
		if m := s.take(true); m != nil {
			return m, nil
		}
		if !s.budget.reclaim(s) {
			return nil, err
		}
		if s.grow() != nil {
			return nil, err
		}
	}
}

// freeSlow is free when there is no room: a full magazine goes to the depot.
func (s *store) freeSlow(p unsafe.Pointer) {
	m := s.emptyMagazine()
	l := s.pinLoaded()
	if !l.free(p) {
		if l.ld != nil { // both are full
			l.ld.other, m = m, l.ld.other
			l.free(p)
		} else {
			m.objs[0], m.n = p, 1
			s.alone.frees.Add(1)
		}
	}
	l.unpin()
	some := m.n > 0
	s.keep(m)
	if some {
		s.suggestTrim()
	}
}

// retireSlow is retire when there is no room: the full magazine is handed to the
// domain.
func (s *store) retireSlow(p unsafe.Pointer) {
	m := s.emptyMagazine()
	l := s.pinLoaded()
	if !l.retire(p) {
		if l.ld != nil {
			l.ld.retired, m = m, l.ld.retired
			l.retire(p)
		} else {
			m.objs[0], m.n = p, 1
			s.alone.retires.Add(1)
		}
	}
	l.unpin()
	s.retireMagazine(m)
}

// pinLoaded is pin with magazines installed. There are none where pinning is not
// exclusive and somebody else is at the cache, and in a closed store.
func (s *store) pinLoaded() local {
	id := pcpu.Pin()
	c := s.caches.At(id)
	if c == nil {
		if c = s.caches.Grow(id); c == nil {
			return local{s: s}
		}
	}
	if !c.lock(s) {
		return local{s: s}
	}
	ld := c.loaded.Load()
	if ld == nil {
		ld = &loaded{get: s.newMagazine(), other: s.newMagazine(), retired: s.newMagazine()}
		if !c.loaded.CompareAndSwap(nil, ld) {
			panic("slab: two at one cache")
		}
	}
	return local{s, c, ld}
}

// drain empties the caches of all processors: free objects go to the depot, retired
// ones to the domain.
func (s *store) drain() {
	s.drainMu.Lock()
	defer s.drainMu.Unlock()
	for _, ld := range s.unload() {
		s.keep(ld.get)
		s.keep(ld.other)
		s.retireMagazine(ld.retired)
	}
}

// unload takes the magazines of all caches, when nobody is at work on them any more.
func (s *store) unload() []*loaded {
	all := s.caches.All()
	var out []*loaded
	for _, c := range all {
		if c.loaded.Load() == nil {
			continue
		}
		if ld := c.loaded.Swap(nil); ld != nil {
			out = append(out, ld)
		}
	}
	if out == nil {
		return nil
	}
	if !mutant.Is(mutant.NoCacheFence) {
		s.fence.Heavy() // pairs with cache.lock
	}
	for _, c := range all {
		for c.busy.Load() != 0 && !mutant.Is(mutant.NoCacheWait) {
			// Its holder is pinned, or in the portable build was preempted.
			runtime.Gosched()
		}
	}
	return out
}

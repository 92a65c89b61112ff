package slab

import (
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A magazine holds free objects, or retired ones. It belongs to one holder at a
// time: a processor's cache, the depot (store.full, store.empty, under store.mu),
// or a deferred call.
type magazine struct {
	n     int
	objs  [magazineCap]unsafe.Pointer // [n:] hold nothing that matters
	store *store
	next  *magazine // in the depot, or in waiting

	// Of a magazine of retired objects, under store.mu.
	goal    smr.Seq
	reached bool      // goal is known to be
	prev    *magazine // in waiting
	ticket  *ticket
}

// A ticket is what the domain is given for a magazine of retired objects: the
// magazine itself may be in use again by the time of the callback.
type ticket struct {
	store *store
	m     *magazine // nil: its objects are in use again; under store.mu
	next  *ticket   // in store.tickets
}

const (
	magazineCap = 128
	// magazineBytes bounds what a magazine of large objects holds back.
	magazineBytes = 64 << 10
	// pollEvery is how many more magazines must wait before somebody who needs one
	// looks at the readers: that costs up to 3 us, 3 ns for each object of 8.
	pollEvery = 8
)

// A cache is what one processor holds of a store: a pair for taking and one for
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

// loaded is the magazines of a cache. It is dropped when it was drained.
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
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		panic("slab: Get from closed pool " + s.name)
	}
	m := s.full
	if m != nil {
		s.full, m.next = m.next, nil
		s.nFull--
	} else if m = s.takeReachedLocked(); m == nil {
		m = s.emptyMagazineLocked()
		if err := s.fillLocked(m, s.capacity); err != nil {
			s.keepEmptyLocked(m)
			s.mu.Unlock()
			return nil, err
		}
	}
	s.mu.Unlock()
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
	}
	l.unpin()
	if l.ld == nil {
		s.alone.gets.Add(1)
	}
	s.keep(m)
	return p, nil
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
	s.keep(m)
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

// retireMagazine hands what is in a magazine to the domain: it is stamped with a
// goal, and waits for either somebody who needs it and finds the goal reached, or
// the domain's callback.
func (s *store) retireMagazine(m *magazine) {
	if m.n == 0 || mutant.Is(mutant.RetireIsFree) {
		s.keep(m)
		return
	}
	size := m.n * int(s.size)
	s.mu.Lock()
	t := s.tickets
	if t != nil {
		s.tickets = t.next
	} else {
		t = &ticket{store: s}
	}
	t.m, m.ticket = m, t
	m.goal = s.dom.DeferredAdvance()
	s.waiting.push(m)
	s.mu.Unlock()
	smr.Call(s.dom, t, size, (*ticket).ready)
}

// takeReachedLocked returns the magazine that waits longest, if its goal is reached,
// else nil. s.mu is held.
func (s *store) takeReachedLocked() *magazine {
	m := s.waiting.oldest
	if m == nil {
		return nil
	}
	if !m.reached {
		if s.waiting.n < s.pollAt {
			return nil
		}
		goal := s.waiting.newest.goal
		s.dom.Commit(goal)
		if !s.dom.Poll(goal) {
			s.pollAt = s.waiting.n + pollEvery
			return nil
		}
		for r := m; r != nil; r = r.next {
			r.reached = true
		}
		s.pollAt = pollEvery
	}
	s.readyLocked(m)
	return m
}

// readyLocked makes the retired objects of a magazine free ones. s.mu is held.
func (s *store) readyLocked(m *magazine) {
	s.waiting.remove(m)
	m.ticket.m, m.ticket, m.reached = nil, nil, false
	s.check.poison(m)
	s.reused.Add(uint64(m.n))
}

// ready is called when no reader can hold the objects of a retired magazine.
func (t *ticket) ready() {
	s, n := t.store, 0
	s.mu.Lock()
	if m := t.m; m != nil {
		n = m.n
		s.readyLocked(m)
		s.keepLocked(m)
	}
	t.next, s.tickets = s.tickets, t
	s.mu.Unlock()
	if n > 0 && s.wasteful(n) {
		s.trim()
	}
}

// A waitList is a queue of stamped magazines, the oldest first.
type waitList struct {
	oldest, newest *magazine
	n              int
}

func (l *waitList) push(m *magazine) {
	m.prev, m.next = l.newest, nil
	if l.newest != nil {
		l.newest.next = m
	} else {
		l.oldest = m
	}
	l.newest = m
	l.n++
}

func (l *waitList) remove(m *magazine) {
	if m.prev != nil {
		m.prev.next = m.next
	} else {
		l.oldest = m.next
	}
	if m.next != nil {
		m.next.prev = m.prev
	} else {
		l.newest = m.prev
	}
	m.prev, m.next = nil, nil
	l.n--
}

// pinLoaded is pin with magazines installed. Where pinning is not exclusive, and
// every cache is taken, there are none.
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
	for _, ld := range s.unload() {
		s.keep(ld.get)
		s.keep(ld.other)
		s.retireMagazine(ld.retired)
	}
}

// unload takes the magazines of all caches, when nobody is at work on them any more.
func (s *store) unload() []*loaded {
	all := s.caches.All()
	out := make([]*loaded, 0, len(all))
	for _, c := range all {
		if ld := c.loaded.Swap(nil); ld != nil {
			out = append(out, ld)
		}
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

// trim gives back all that nobody uses: what caches and depot hold goes to the
// slabs, and slabs that are whole to the system.
func (s *store) trim() {
	s.drain()
	s.mu.Lock()
	defer s.mu.Unlock()
	for m := s.full; m != nil; m = m.next {
		s.emptyLocked(m)
	}
	s.full, s.nFull = nil, 0
	if s.spare != nil {
		s.dropLocked(s.spare)
		s.spare = nil
	}
}

// keep gives a magazine that nobody else holds to the depot, whatever is in it.
func (s *store) keep(m *magazine) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keepLocked(m)
}

func (s *store) keepLocked(m *magazine) {
	if m.n > 0 && !s.closed && s.nFull < s.maxFull() {
		m.next, s.full = s.full, m
		s.nFull++
		return
	}
	s.emptyLocked(m)
	s.keepEmptyLocked(m)
}

// maxFull is how many magazines the depot keeps: two for each processor, and what
// one chunk of deferred calls brings back at a time.
func (s *store) maxFull() int { return 2*len(s.caches.All()) + 32 }

func (s *store) keepEmptyLocked(m *magazine) {
	if s.nEmpty < s.maxFull() {
		m.next, s.empty = s.empty, m
		s.nEmpty++
	}
}

func (s *store) emptyMagazine() *magazine {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.emptyMagazineLocked()
}

func (s *store) emptyMagazineLocked() *magazine {
	m := s.empty
	if m == nil {
		return s.newMagazine()
	}
	s.empty, m.next = m.next, nil
	s.nEmpty--
	return m
}

func (s *store) newMagazine() *magazine { return &magazine{store: s} }

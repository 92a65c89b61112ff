package slab

import (
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// A magazine holds free objects, or retired ones. It belongs to one holder at a
// time: a processor's cache, the depot (store.full, store.empty, store.waiting, under
// store.mu), or who moves it from one to the other.
type magazine struct {
	n     int
	objs  [magazineCap]unsafe.Pointer // [n:] hold nothing that matters
	store *store
	next  *magazine // in the depot

	// Of a magazine of retired objects; under store.mu once it is in waiting. Before, next
	// and ticket are written by the goroutine that pushes it to store.arrived.
	goal    smr.Seq
	reached bool      // goal is known to be
	prev    *magazine // in waiting
	ticket  *ticket   // nil: the domain was closed before
}

// push puts an object into a magazine that is not full, and pop takes one out of one
// that is not empty.
func (m *magazine) push(p unsafe.Pointer) {
	m.objs[m.n] = p
	m.n++
}

func (m *magazine) pop() unsafe.Pointer {
	m.n--
	return m.objs[m.n]
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
	// depotBytes bounds what full magazines the depot keeps.
	depotBytes = 1 << 20
	// pollEvery is how many more magazines must wait before somebody who needs one
	// looks at the readers: that costs up to 3 us, 3 ns for each object of 8.
	pollEvery = 8
)

// take returns a magazine of free objects, nil if there are none. With force it looks
// at the readers even if few magazines wait for them.
func (s *store) take(force bool) *magazine {
	s.mu.Lock()
	defer s.unlock()
	if s.closed {
		panic("slab: Get from closed pool " + s.name)
	}
	if m := s.full; m != nil {
		s.full, m.next = m.next, nil
		s.nFull--
		return m
	}
	m := s.takeReachedLocked(force)
	switch {
	case m == nil:
		m = s.emptyMagazineLocked()
	case s.keeps():
		return m
	default:
		s.emptyLocked(m)
	}
	if s.fillLocked(m); m.n == 0 {
		s.keepEmptyLocked(m)
		return nil
	}
	return m
}

// keep gives a magazine that nobody else holds to the depot, whatever is in it.
func (s *store) keep(m *magazine) {
	s.mu.Lock()
	defer s.unlock()
	s.keepLocked(m)
}

func (s *store) keepLocked(m *magazine) {
	if m.n > 0 && s.keeps() && s.nFull < s.maxFull() {
		m.next, s.full = s.full, m
		s.nFull++
		return
	}
	s.emptyLocked(m)
	s.keepEmptyLocked(m)
}

// maxFull is how many magazines the depot keeps: two for each processor, and what
// one chunk of deferred calls brings back at a time.
func (s *store) maxFull() int {
	return min(2*len(s.caches.All())+32, max(2, depotBytes/(s.capacity*int(s.size))))
}

func (s *store) keepEmptyLocked(m *magazine) {
	if s.nEmpty < 2*s.maxFull() {
		m.next, s.empty = s.empty, m
		s.nEmpty++
	}
}

func (s *store) emptyMagazine() *magazine {
	s.mu.Lock()
	defer s.unlock()
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

// tryEmptyMagazine is emptyMagazine for a goroutine that must not block: where the lock
// is taken it makes a new one.
func (s *store) tryEmptyMagazine() *magazine {
	if !s.tryLock() {
		return s.newMagazine()
	}
	defer s.mu.Unlock()
	return s.emptyMagazineLocked()
}

// tryKeepEmpty is keep for an empty magazine and a goroutine that must not block: where the
// lock is taken the collector gets it.
func (s *store) tryKeepEmpty(m *magazine) {
	if s.tryLock() {
		defer s.mu.Unlock()
		s.keepEmptyLocked(m)
	}
}

// tryLock locks s.mu, if it is free, for what may be done in a pinned section. Nothing is
// dropped under it, so s.mu.Unlock ends it: unlock does more than a pinned section may.
func (s *store) tryLock() bool {
	return s.mu.TryLock()
}

// retireMagazine hands what is in a magazine to the domain: it is stamped with a
// goal, and waits for either somebody who needs it and finds the goal reached, or
// the domain's callback. It does not block.
func (s *store) retireMagazine(m *magazine) {
	if m.n == 0 {
		s.tryKeepEmpty(m)
		return
	}
	size := m.n * int(s.size)
	if t := s.stamp(m); t != nil {
		smr.TryCall(s.dom, t, size, (*ticket).ready) // else the magazine waits for Get, or Close
	}
}

// stamp puts a magazine of retired objects with those that wait, or, where s.mu is taken,
// with those that arrive there when it is free. It returns what to give to the domain:
// nothing if that is closed.
func (s *store) stamp(m *magazine) *ticket {
	locked := s.tryLock()
	if locked {
		defer s.mu.Unlock()
	}
	if !s.dom.Closed() {
		var t *ticket
		if locked && s.tickets != nil {
			t = s.tickets
			s.tickets = t.next
		} else {
			t = &ticket{store: s}
		}
		t.m, m.ticket = m, t
	}
	t := m.ticket // the magazine may be another's once it has arrived
	if locked {
		s.arriveLocked()
		m.goal = s.dom.DeferredAdvance()
		s.waiting.push(m)
		return t
	}
	for {
		m.next = s.arrived.Load()
		if s.arrived.CompareAndSwap(m.next, m) {
			return t
		}
	}
}

// arriveLocked stamps the magazines that came while s.mu was taken, and puts them with
// those that wait. They get their goal now and not when they were retired, so that the
// goals in waiting are in order: takeReachedLocked takes all for reached if the newest is.
// s.mu is held.
func (s *store) arriveLocked() {
	if s.arrived.Load() == nil {
		return
	}
	m := s.arrived.Swap(nil)
	goal := s.dom.DeferredAdvance()
	for m != nil {
		next := m.next
		m.goal = goal
		s.waiting.push(m)
		m = next
	}
}

// takeReachedLocked returns the magazine that waits longest, if its goal is reached,
// else nil. s.mu is held.
func (s *store) takeReachedLocked(force bool) *magazine {
	s.arriveLocked()
	m := s.waiting.oldest
	if m == nil {
		return nil
	}
	if !m.reached {
		if s.waiting.n < s.pollAt && !force {
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
	}
	s.readyLocked(m)
	return m
}

// readyLocked makes the retired objects of a magazine free ones. s.mu is held.
func (s *store) readyLocked(m *magazine) {
	s.waiting.remove(m)
	s.pollAt = min(s.pollAt, s.waiting.n+pollEvery)
	if m.ticket != nil {
		m.ticket.m, m.ticket = nil, nil
	}
	m.reached = false
	s.check.poison(m)
	s.reused.Add(uint64(m.n))
}

// ready is called when no reader can hold the objects of a retired magazine.
func (t *ticket) ready() {
	s := t.store
	if t.readyLocking() {
		s.suggestTrim()
	}
}

func (t *ticket) readyLocking() (some bool) {
	s := t.store
	s.mu.Lock()
	defer s.unlock()
	s.arriveLocked()
	m := t.m
	if m != nil {
		s.readyLocked(m)
		s.keepLocked(m)
	}
	t.next, s.tickets = s.tickets, t
	return m != nil
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

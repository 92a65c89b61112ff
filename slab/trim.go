package slab

import "github.com/gosmr/gosmr/smr"

// Memory goes back to the system late: what comes and goes in waves, as it does where each
// grace period frees what was retired in the last, would else be unmapped and mapped with
// them. A slab that became whole is spare. A few are kept; the others go back when a look
// finds that they were not needed since the look before: a look is a deferred call, which
// asks for the next one while there is something to look at, and so comes once in a grace
// period or, where calls are few, in a check-in of the domain. (So the depots of slab
// allocators find their working set: Bonwick and Adams, 2001.)

// trim gives back all that nobody uses, now, or what readers may look at when they have
// left.
func (s *store) trim() {
	s.drain()
	s.mu.Lock()
	defer s.unlock()
	s.collectLocked()
	s.dropSparesLocked(0)
}

// trimUnread is trim for others who share the budget: what readers may look at stays, for
// nobody could have it before they have left, but the store itself.
func (s *store) trimUnread() {
	s.drain()
	s.mu.Lock()
	defer s.unlock()
	s.collectLocked()
	s.dropUnreadLocked(0)
}

// dropUnreadLocked is dropSparesLocked of those that nobody looks at. s.mu is held.
func (s *store) dropUnreadLocked(keep int) {
	for s.nSpare > keep && (!s.stable || s.unread(s.spare.tail)) {
		s.dropAllLocked(s.nSpare - 1)
	}
}

// hasSpare reports whether there is a whole slab.
func (s *store) hasSpare() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.nSpare > 0
}

// collect moves what caches and depot hold to the slabs.
func (s *store) collect() {
	s.drain()
	s.mu.Lock()
	defer s.unlock()
	s.collectLocked()
}

// collectLocked moves what the depot holds to the slabs. s.mu is held.
func (s *store) collectLocked() {
	for s.full != nil {
		m := s.full
		s.full, m.next = m.next, nil
		s.nFull--
		s.emptyLocked(m)
		s.keepEmptyLocked(m)
	}
}

// spareShare is which part of its slabs a store keeps although they are whole, however
// long.
const spareShare = 8

// keptLocked is how many whole slabs are kept. s.mu is held.
func (s *store) keptLocked() int { return 1 + (len(s.slabs)-len(s.holes))/spareShare }

// dropIdle gives back the whole slabs that were not needed since the last time, beyond
// what is kept; where they are very many, a quarter of them, so that neither this callback
// nor the system is held up. It reports whether there are more.
func (s *store) dropIdle() (more bool) {
	s.mu.Lock()
	defer s.unlock()
	keep := s.keptLocked()
	idle := min(s.idle, s.nSpare-keep)
	if idle > 0 {
		s.dropSparesLocked(s.nSpare - min(idle, max(64, idle/4)))
	}
	s.idle = s.nSpare
	return s.nSpare > s.keptLocked()
}

// minWaste is what may lie idle in a store.
const minWaste = 1 << 20

// wasteful reports whether of the memory in slabs that are not whole most is free, and it
// is more than a little: then more of them could be.
func (s *store) wasteful() bool {
	s.mu.Lock()
	reserved := s.reserved - int64(s.nSpare)*int64(s.slabSize)
	s.mu.Unlock()
	if reserved < minWaste {
		return false
	}
	st := s.stats()
	return reserved-st.InUseBytes-st.PendingBytes >= max(minWaste, reserved/2)
}

// suggestTrim is called when objects became free. If the store is wasteful it asks for a
// look, which collects: so this costs next to nothing also where it does not help, since each
// slab has an object in use.
func (s *store) suggestTrim() {
	if !s.lookDue.Load() && s.wasteful() {
		s.lookSoon()
	}
}

// lookSoon asks for a look, unless one is due.
func (s *store) lookSoon() {
	if !s.lookDue.Load() && s.lookDue.CompareAndSwap(false, true) {
		s.callLook()
	}
}

func (s *store) callLook() {
	if !smr.TryCall(s.dom, s, 0, (*store).look) {
		s.lookDue.Store(false)
	}
}

// look collects if the store is wasteful, and gives back what is idle: again and again
// until neither is to any purpose. It collects again only if something was given back
// between: what goes into the processors' magazines suggests nothing, and the last of it
// may hold many slabs.
func (s *store) look() {
	if s.isAbandoned() {
		return
	}
	given := s.givenBack()
	collects := given != s.collectedAt && s.wasteful()
	if collects {
		s.collectedAt = given
		s.collect()
	}
	if more := s.dropIdle(); more || collects {
		s.callLook()
		return
	}
	s.lookDue.Store(false)
	// Somebody may just have found that a look was due.
	if s.givenBack() != given {
		s.suggestTrim()
	}
	s.mu.Lock()
	defer s.unlock() // which asks for one if there are many spare slabs
}

package slab

import "github.com/gosmr/gosmr/smr"

// trim gives back all that nobody uses: what caches and depot hold goes to the
// slabs, and slabs that are whole to the system.
func (s *store) trim() {
	s.drain()
	s.mu.Lock()
	defer s.unlock()
	for s.full != nil {
		m := s.full
		s.full, m.next = m.next, nil
		s.nFull--
		s.emptyLocked(m)
		s.keepEmptyLocked(m)
	}
	s.dropSparesLocked(0)
}

// minWaste is what may lie idle in a store.
const minWaste = 1 << 20

// wasteful reports whether most of the slabs' memory is free, and it is more than a
// little.
func (s *store) wasteful() bool {
	s.mu.Lock()
	reserved := s.reserved
	s.mu.Unlock()
	if reserved < minWaste {
		return false
	}
	st := s.stats()
	waste := reserved - st.InUseBytes - st.PendingBytes
	return waste >= max(minWaste, reserved/2)
}

// suggestTrim is called when objects became free. If the store is wasteful it asks for
// a trim, which a callback of the domain makes some time later: at most one in each
// check-in of the domain, so that it costs next to nothing also where it does not
// help, since each slab has an object in use.
func (s *store) suggestTrim() {
	if s.trimDue.Load() || !s.wasteful() || !s.trimDue.CompareAndSwap(false, true) {
		return
	}
	s.trimSoon()
}

func (s *store) trimSoon() {
	if s.dom.Closed() {
		s.trimDue.Store(false)
		return
	}
	smr.Call(s.dom, s, 0, (*store).trimLate)
}

// trimLate trims, again and again until nothing was given back between two times: what
// goes into the processors' magazines suggests nothing, and the last of it may hold many
// slabs.
func (s *store) trimLate() {
	given := s.givenBack()
	if !s.wasteful() || given == s.trimmedAt {
		s.trimDue.Store(false)
		if s.givenBack() != given { // by somebody who may have found trimDue set
			s.suggestTrim()
		}
		return
	}
	s.trimmedAt = given
	s.trim()
	s.trimSoon()
}

package slab

// Stats is a snapshot of a pool, or of all sizes of Blocks. What changes meanwhile
// is in it or not.
type Stats struct {
	Name string

	Gets    uint64 // objects given out
	Frees   uint64 // objects given back at once
	Retires uint64 // objects given back to be reused after a grace period

	InUse   int64 // objects given out and not given back
	Pending int64 // objects retired that may not be reused yet

	InUseBytes    int64 // what those in use take
	PendingBytes  int64
	ReservedBytes int64 // taken from the system: the above, and what is free in slabs
	Slabs         int
}

func (s *store) stats() Stats {
	// What ends is read before what begins, so that no difference is negative.
	reused := s.reused.Load()
	st := Stats{Name: s.name, Retires: s.alone.retires.Load(), Frees: s.alone.frees.Load()}
	for _, c := range s.caches.All() {
		st.Retires += c.retires.Load()
		st.Frees += c.frees.Load()
	}
	st.Gets = s.alone.gets.Load()
	for _, c := range s.caches.All() {
		st.Gets += c.gets.Load()
	}
	st.InUse = int64(st.Gets - st.Frees - st.Retires)
	st.Pending = int64(st.Retires - reused)
	st.InUseBytes = st.InUse * int64(s.size)
	st.PendingBytes = st.Pending * int64(s.size)
	s.mu.Lock()
	defer s.mu.Unlock()
	st.ReservedBytes = s.reserved
	st.Slabs = len(s.slabs) - len(s.holes)
	return st
}

// wasteful notes that n objects became free, and reports whether it is time to trim:
// more than half of the slabs' memory is free, it is more than a little, and a good
// part of it became free since the last time. (What is free in slabs that others
// are still in use in can't be given back. It must not be tried all the time.)
func (s *store) wasteful(n int) bool {
	s.mu.Lock()
	s.freed += n
	freed, reserved := int64(s.freed)*int64(s.size), s.reserved
	s.mu.Unlock()
	if reserved < minWaste || freed < reserved/8 {
		return false
	}
	st := s.stats()
	if waste := reserved - st.InUseBytes - st.PendingBytes; waste < minWaste || waste < reserved/2 {
		return false
	}
	s.mu.Lock()
	s.freed = 0
	s.mu.Unlock()
	return true
}

// minWaste is what may lie idle in a store.
const minWaste = 1 << 20

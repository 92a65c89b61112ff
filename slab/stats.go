package slab

// Stats is a snapshot of a pool, or of all sizes of Blocks. It may or may not show changes made
// while it is taken.
type Stats struct {
	Name string

	Gets    uint64 // objects given out
	Frees   uint64 // objects given back at once
	Retires uint64 // objects given back to be reused after a grace period

	InUse   int64 // objects given out and not given back
	Pending int64 // objects retired that may not be reused yet

	InUseBytes    int64
	PendingBytes  int64
	FreeBytes     int64 // objects that may be given out, in slabs and magazines
	ReservedBytes int64 // taken from the system: the above, and what is at the ends of slabs
	Slabs         int

	Quarantined      int64 // samples of a Quarantine that were given back, and no reader can hold
	QuarantinedBytes int64 // their pages: addresses, and memory where the system can't protect it
}

func (s *store) stats() Stats {
	// Ends are read before begins, so that no difference is negative.
	readied := s.readied.Load()
	st := Stats{Name: s.name, Retires: s.uncached.retires.Load(), Frees: s.uncached.frees.Load()}
	for _, c := range s.caches.All() {
		st.Retires += c.retires.Load()
		st.Frees += c.frees.Load()
	}
	st.Gets = s.uncached.gets.Load()
	for _, c := range s.caches.All() {
		st.Gets += c.gets.Load()
	}
	st.InUse = int64(st.Gets - st.Frees - st.Retires)
	st.Pending = int64(st.Retires - readied)
	st.InUseBytes = st.InUse * int64(s.size)
	st.PendingBytes = st.Pending * int64(s.size)
	h := s.heap.counts()
	st.ReservedBytes, st.Slabs = h.reserved, h.slabs
	st.FreeBytes = max(0, h.objects-st.InUse-st.Pending+s.outside.Load()) * int64(s.size)
	return st
}

// givenBack counts objects that were freed, retired, or became free after that. While it stays
// the same, another trim finds nothing free that the last did not, except new slabs, and
// magazines on their way between the parts.
func (s *store) givenBack() uint64 {
	n := s.readied.Load() + s.uncached.frees.Load() + s.uncached.retires.Load()
	for _, c := range s.caches.All() {
		n += c.frees.Load() + c.retires.Load()
	}
	return n
}

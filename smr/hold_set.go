package smr

// A heldSet is the addresses that are held at a moment, none of them 0: a table with linear probing,
// at most half full. The reclaimer makes one when a goal is reached, and workers ask it for each call
// of the chunks that became ready then. It does not change.
type heldSet struct {
	table []uintptr
	shift uint
}

// heldNow returns what is held, or nil if nothing is. Only the reclaimer calls it.
func (d *Domain) heldNow() *heldSet {
	r := &d.reclaim
	addrs := r.heldAddrs[:0]
	for _, g := range d.holds.All() {
		for b := g.blocks.Load(); b != nil; b = b.older {
			for i := range b.slots { // as eachHold does, and faster
				if sl := &b.slots[i]; sl.state.Load()&holdRefs != 0 {
					addrs = append(addrs, uintptr(sl.addr.Load()))
				}
			}
		}
	}
	r.heldAddrs = addrs
	if len(addrs) == 0 {
		return nil
	}
	return newHeldSet(addrs)
}

func newHeldSet(addrs []uintptr) *heldSet {
	s := &heldSet{shift: 62}
	for 1<<(64-s.shift) < 2*len(addrs) {
		s.shift--
	}
	s.table = make([]uintptr, 1<<(64-s.shift))
	for _, a := range addrs {
		s.table[s.find(a)] = a
	}
	return s
}

// find returns the place of addr, or where it belongs.
func (s *heldSet) find(addr uintptr) int {
	// Knuth's multiplicative hashing: see pcpu.Pin.
	i := int(uint64(addr) * 0x9e3779b97f4a7c15 >> s.shift)
	for s.table[i] != addr && s.table[i] != 0 {
		i = (i + 1) & (len(s.table) - 1)
	}
	return i
}

func (s *heldSet) has(addr uintptr) bool { return s.table[s.find(addr)] == addr }

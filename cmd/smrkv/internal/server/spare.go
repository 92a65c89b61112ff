package server

import "github.com/gosmr/gosmr/slab"

// A need is about what a command stores that is executed alone, as far as that is known
// before.
type need struct {
	total  int64 // bytes
	large  int64 // of total: of entries that are in no slab, and need what is free in none
	beside int64 // of an entry that must stay meanwhile
}

const (
	// entryOverhead is about what an entry takes beside its bytes.
	entryOverhead = 96

	// largeEntry is from where on an entry is in no slab.
	largeEntry = 64 << 10
)

// add adds an entry of size bytes.
func (n *need) add(size int) { n.count(size + entryOverhead) }

func (n *need) count(size int) {
	if size > largeEntry {
		size = slab.BlockSize(size)
		n.large += int64(size)
	}
	n.total += int64(size)
}

// spare makes room before a command is executed alone: then nothing is evicted. It may wait,
// and reports false if there is no room. It is a guess: what is free may be so among entries
// of other sizes.
func (c *conn) spare(n need) bool {
	s := c.srv
	if c.hold == holdAll || n.total == 0 || c.roomFor(n) {
		return true
	}
	free, hopeless := s.inVain(n.total)
	if hopeless || !s.holds(n) {
		return false
	}
	c.takesLong()
	defer c.done()
	const attempts = 4
	found := false
	for i := 0; i < attempts && !found && s.waitForMemory(); i++ {
		if c.roomFor(n) {
			return true
		}
		short := n.total - s.unused() - c.data().Stats().FreeBytes
		if short > 0 && c.data().EvictBytes(int(short+n.total)) == 0 && !s.takeFromOthers(s.ctx, c.data(), short) {
			break
		}
		if s.waitForMemory() {
			s.giveBackFor(n)
		}
		found = c.roomFor(n)
	}
	s.evict.result(free, found)
	return found
}

// giveBackFor makes the store give back what entries need that are in no slab.
func (s *Server) giveBackFor(n need) {
	s.evict.mu.Lock()
	defer s.evict.mu.Unlock()
	s.giveBack(func(int64) bool { return s.unused() >= n.large })
}

// roomFor reports whether there is as much that is unused, or used for nothing.
func (c *conn) roomFor(n need) bool {
	s := c.srv
	if s.memory.Limit() == 0 {
		return true
	}
	unused := s.unused()
	return unused >= n.total || unused >= n.large && unused+c.data().Stats().FreeBytes >= n.total
}

// holds reports whether the limit has room for as much beside the table, were all entries
// evicted that need not stay.
func (s *Server) holds(n need) bool {
	st := s.dataStats()
	table := s.memory.Used() - st.EntryBytes - st.FreeBytes - st.PendingBytes
	return n.total+n.beside <= s.memory.Limit()-max(0, table)
}

// unused returns how much of the limit is not used; less than nothing after it was lowered.
func (s *Server) unused() int64 { return s.memory.Limit() - s.memory.Used() }

// overLimit reports whether more is used than the limit allows, as after it was lowered.
func (s *Server) overLimit() bool {
	limit := s.memory.Limit()
	return limit != 0 && s.memory.Used() > limit
}

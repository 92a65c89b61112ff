package smrmap

import "fmt"

// EvictBytes deletes entries until it has retired blocks of size bytes, and returns how many bytes
// it has retired: fewer if nothing more may be evicted. They can be reused a grace period later.
//
// It goes round the map (CLOCK, Corbató 1968) and takes the entries that were not read since it
// last passed them. It spares at most a few hundred in a row, so that a writer in need of memory
// does not go through all of them. Expired entries count as evicted.
func (m *Bytes) EvictBytes(size int) (retired int) { return m.evict(size, m.spared) }

// Evictable says which entries of [Bytes] may be evicted.
type Evictable int32

const (
	EvictAll      Evictable = iota
	EvictExpiring           // those that have an expiry
	EvictNone               // none, though they may be moved
)

// SetEvictable says which entries EvictBytes, CompactFor and StoreEvicting may delete; at first
// EvictAll. It may be called at any time.
func (m *Bytes) SetEvictable(which Evictable) {
	if which < EvictAll || which > EvictNone {
		panic(fmt.Sprintf("smrmap: no such Evictable: %d", which))
	}
	m.evictable.Store(int32(which))
	m.barren.Store(false)
}

// evictableCame is called after an entry was stored or its expiry changed: see barren.
func (m *Bytes) evictableCame(expires bool) {
	if expires && m.barren.Load() {
		m.barren.Store(false)
	}
}

// spared reports whether an entry must not be evicted.
func (m *Bytes) spared(e *header) bool {
	switch Evictable(m.evictable.Load()) {
	case EvictAll:
		return false
	case EvictExpiring:
		return e.expires.Load() == 0
	}
	return true
}

// evict is EvictBytes with its own choice of what is spared. It leaves the map barren after a whole
// walk that met only spared entries. One that was read, or is claimed, does not count as spared.
func (m *Bytes) evict(size int, spared func(*header) bool) (retired int) {
	if size <= 0 {
		return 0
	}
	// An entry that was read is taken when the hand comes by again, or in the last round. The first
	// round starts at the hand, so only the others are whole.
	const mostSpared, mostRounds = 256, 3
	inARow, now := 0, m.now()
	m.handMu.Lock()
	defer m.handMu.Unlock()
	if Evictable(m.evictable.Load()) == EvictNone || m.barren.Load() {
		return 0
	}
	m.barren.Store(true) // until evictableCame, or this walk meets something
	// Load it again, after barren was set: SetEvictable stores it before it clears barren.
	met := Evictable(m.evictable.Load()) == EvictAll
	for round := 0; m.Len() > 0 && retired < size && round < mostRounds; {
		left := size - retired
		n, bytes, next := m.purge(m.hand, evicted, func(e *header, claimed bool) bool {
			if spared(e) {
				return false
			}
			met = true
			if left <= 0 || claimed {
				return false
			}
			if e.used.Swap(0) != 0 && inARow < mostSpared && round < mostRounds-1 && !e.expiredAt(now) {
				inARow++
				return false
			}
			left -= len(e.block())
			return true
		})
		if n > 0 {
			inARow = 0
		}
		m.evicted.Add(uint64(n))
		retired += bytes
		if m.hand = next; next == 0 {
			round++
		}
	}
	if met {
		m.barren.Store(false)
	}
	return retired
}

// A reason is why purge deletes entries.
type reason int

const (
	cleared reason = iota
	expired
	evicted
)

// purge deletes the entries that choose picks from the bucket that hash pos belongs to; choose must
// not pick those whose keys are claimed. It returns their number, the bytes of their blocks, and
// where the next bucket begins.
func (m *Bytes) purge(pos uint64, why reason, choose func(e *header, claimed bool) bool) (n, bytes int, next uint64) {
	n, next = m.c.unlink(pos, func(r ref) bool {
		e := asHeader(r)
		return choose(e, m.claims.on(e.hash) != nil)
	}, func(r ref) {
		bytes += len(asHeader(r).block())
		if why != cleared {
			m.removed(asHeader(r), why == evicted)
		}
		m.retire(asHeader(r))
	})
	return n, bytes, next
}

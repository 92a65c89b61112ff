package smrmap

import "fmt"

// EvictBytes deletes entries until it has retired blocks of size bytes, and returns how many
// bytes it has; fewer if nothing more may be evicted. They can be used again a grace period
// later.
//
// It goes round the map (CLOCK, Corbató 1968) and takes the entries that were not read since
// it last passed them. It spares at most a few hundred in a row, so that a writer in need of
// memory does not go through all of them. Expired entries count as evicted.
func (m *Bytes) EvictBytes(size int) (retired int) { return m.evict(size, m.spared) }

// Evictable says which entries of [Bytes] may be evicted.
type Evictable int32

const (
	EvictAll      Evictable = iota
	EvictExpiring           // those that have an expiry
	EvictNone               // none, though they may be moved
)

// SetEvictable says which entries EvictBytes, CompactFor and StoreEvicting may delete: at first
// all. It may be called at any time.
func (m *Bytes) SetEvictable(which Evictable) {
	if which < EvictAll || which > EvictNone {
		panic(fmt.Sprintf("smrmap: no such Evictable: %d", which))
	}
	m.evictable.Store(int32(which))
	m.barren.Store(false)
}

// evictableCame is called after an entry was stored or its expiry changed: if it expires,
// EvictBytes may find something again. It pairs with evict, which sets barren before it walks.
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

// evict is EvictBytes that spares what it is told to.
//
// It leaves the map barren after a whole walk that met nothing but spared entries. Entries that
// were read, or whose keys are claimed, are not spared in this sense.
func (m *Bytes) evict(size int, spared func(*header) bool) (retired int) {
	if size <= 0 {
		return 0
	}
	// The hand takes an entry that was read when it comes by again, or in the last round. The
	// first and the last round are parts of one.
	const mostSpared, mostRounds = 256, 3
	inARow, now := 0, m.now()
	m.handMu.Lock()
	defer m.handMu.Unlock()
	if Evictable(m.evictable.Load()) == EvictNone || m.barren.Load() {
		return 0
	}
	m.barren.Store(true)                   // until evictableCame, or this walk meets something
	which := Evictable(m.evictable.Load()) // after barren: SetEvictable stores them in this order
	met := which == EvictAll
	for round := 0; m.Len() > 0 && retired < size && round < mostRounds; {
		left := size - retired
		n, bytes, next := m.purgeUnclaimed(m.hand, func(e *header, claimed bool) bool {
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

// purge deletes the entries that choose picks from the bucket that hash pos belongs to, except
// those whose keys are claimed. It returns how many they were, the bytes of their blocks, and
// where the next bucket begins.
func (m *Bytes) purge(pos uint64, choose func(*header) bool) (n, bytes int, next uint64) {
	return m.purgeUnclaimed(pos, func(e *header, claimed bool) bool { return !claimed && choose(e) })
}

// purgeUnclaimed is purge that also shows choose the claimed entries; choose must not pick them.
func (m *Bytes) purgeUnclaimed(pos uint64, choose func(e *header, claimed bool) bool) (n, bytes int, next uint64) {
	n, next = m.c.unlink(pos, func(r ref) bool {
		e := asHeader(r)
		return choose(e, m.claims.on(e.hash) != nil)
	}, func(r ref) {
		bytes += len(asHeader(r).block())
		m.retire(asHeader(r))
	})
	return n, bytes, next
}

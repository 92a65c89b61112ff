package smrmap

import "fmt"

// Evict deletes entries until blocks of size bytes are retired, and returns how many
// bytes that were; less if there is nothing more to evict. They can be used again a grace
// period later.
//
// It goes round the map (CLOCK, Corbató 1968) and takes entries that were not read since
// it last passed them; but it spares no more than a few hundred in a row, so that the
// caller, a writer in need of memory, need not go through all of them. What had expired
// counts as evicted.
func (m *Bytes) Evict(size int) (retired int) { return m.evict(size, m.spared) }

// Evictable says which entries of [Bytes] may be evicted.
type Evictable int32

const (
	EvictAll      Evictable = iota
	EvictExpiring           // those that have an expiry
	EvictNone               // none, though they may be moved
)

// SetEvictable says which entries Evict, Compact and StoreEvicting may delete. It begins
// with EvictAll, and may be changed at any time.
func (m *Bytes) SetEvictable(which Evictable) {
	if which < EvictAll || which > EvictNone {
		panic(fmt.Sprintf("smrmap: no such Evictable: %d", which))
	}
	m.evictable.Store(int32(which))
	m.barren.Store(false)
}

// evictableCame is called when an entry was stored, or its expiry changed, and it can be
// seen: Evict may find something again that it did not find before.
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

// evict is Evict that spares more than it has to.
//
// A whole walk that met nothing but spared entries leaves the map barren; one that met
// entries which were read, or whose keys are claimed, does not.
func (m *Bytes) evict(size int, spared func(*header) bool) (retired int) {
	if size <= 0 {
		return 0
	}
	// An entry that was read is taken when the hand comes by again, or in the last round. The
	// first and the last round are not whole ones.
	const mostSpared, mostRounds = 256, 3
	inARow, now := 0, m.now()
	m.handMu.Lock()
	defer m.handMu.Unlock()
	if Evictable(m.evictable.Load()) == EvictNone || m.barren.Load() {
		return 0
	}
	m.barren.Store(true)                   // unless somebody stores, or something is found
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

// purge deletes those entries of the bucket that hash pos belongs to which choose says, but
// for one whose key is claimed for a large value. It returns how many, how many bytes they
// took, and where the next bucket begins.
func (m *Bytes) purge(pos uint64, choose func(*header) bool) (n, bytes int, next uint64) {
	return m.purgeUnclaimed(pos, func(e *header, claimed bool) bool { return !claimed && choose(e) })
}

// purgeUnclaimed is purge that shows choose claimed entries as well, which it must not choose.
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

package smrmap

import "fmt"

// EvictBytes deletes entries until it has retired blocks of size bytes, and returns how many bytes
// it has retired: fewer if nothing more may be evicted. They can be reused a grace period later.
//
// It takes the entries that were neither read nor stored again since their key came, once a tenth of
// the entries came later (S3-FIFO, Yang et al. 2023). Where those are not enough it goes round the map
// (CLOCK, Corbató 1968) and takes what was not read since it last passed. It spares at most a few
// hundred in a row, so that a writer in need of memory does not go through all of them. Expired entries
// count as evicted.
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
	ev := eviction{m: m, spared: spared, size: size, now: m.now()}
	m.handMu.Lock()
	defer m.handMu.Unlock()
	if Evictable(m.evictable.Load()) == EvictNone || m.barren.Load() {
		return 0
	}
	m.barren.Store(true) // until evictableCame, or this walk meets something
	// Load it again, after barren was set: SetEvictable stores it before it clears barren.
	ev.met = Evictable(m.evictable.Load()) == EvictAll
	ev.young()
	ev.goRound()
	if ev.met {
		m.barren.Store(false)
	}
	return ev.retired
}

// An eviction is one call of evict. Its map's handMu is held.
type eviction struct {
	m             *Bytes
	spared        func(*header) bool
	size, retired int // bytes
	now           int64
	met           bool     // an entry that is not spared
	inARow        int      // entries that were left because they were read
	took          []uint32 // hashes of those that purge takes
}

// mostSpared bounds inARow.
const mostSpared = 256

// young evicts what was not read since its key came.
func (ev *eviction) young() {
	m := ev.m
	entries := m.Len()
	m.young.fit(entries)
	for left := 0; ev.retired < ev.size && left < mostSpared; left++ {
		hash, ok := m.young.oldest(entries / youngShare)
		if !ok {
			break
		}
		before := ev.retired
		ev.purge(uint64(hash)<<32, func(e *header) bool { return e.hash == hash && e.used.Swap(0) == 0 })
		if ev.retired > before {
			left = -1
		}
	}
	ev.inARow = 0 // for goRound
}

// goRound moves the hand until the size is reached.
func (ev *eviction) goRound() {
	// An entry that was read is taken when the hand comes by again, or in the last round. The first
	// round starts at the hand, so only the others are whole.
	const mostRounds = 3
	m := ev.m
	for round := 0; ev.retired < ev.size && round < mostRounds; {
		if m.Len() == 0 { // or so it seems: a writer may not have counted its entry yet
			ev.met = true
			return
		}
		m.hand = ev.purge(m.hand, func(e *header) bool {
			return e.used.Swap(0) == 0 || ev.inARow >= mostSpared || round == mostRounds-1
		})
		if m.hand == 0 {
			round++
		}
	}
}

// purge evicts entries of the bucket that hash pos belongs to, while bytes are missing: those that have
// expired, and those for which unread is true. It returns where the next bucket begins.
func (ev *eviction) purge(pos uint64, unread func(*header) bool) (next uint64) {
	left := ev.size - ev.retired
	ev.took = ev.took[:0]
	n, bytes, next := ev.m.purge(pos, evicted, func(e *header, claimed bool) bool {
		if ev.spared(e) {
			return false
		}
		ev.met = true
		if left <= 0 || claimed {
			return false
		}
		if !unread(e) && !e.expiredAt(ev.now) {
			ev.inARow++
			return false
		}
		left -= len(e.block())
		ev.took = append(ev.took, e.hash)
		return true
	})
	if n > 0 {
		ev.inARow = 0
		ev.m.young.left(ev.took)
	}
	ev.m.evicted.Add(uint64(n))
	ev.retired += bytes
	return next
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

package smrmap

import (
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// The young are the keys that came last, about a tenth of all. Most keys of a cache are asked for once, so
// evict takes first what is older than that and was not read: to the CLOCK, which goes by hash, all unread
// entries are alike, and those that will be read again would leave with the rest. What was read since it came
// is the CLOCK's from then on; so is, at once, a key that comes back soon after it was evicted. Such keys are
// what is new and popular, or a loop longer than the young. (Both ideas are S3-FIFO's, Yang et al. 2023, with
// the CLOCK for its main queue.)
//
// All of it are hints, by which evict finds entries that are still there. A key that was deleted and came
// back, or that shares its hash, is taken for the older one.
type young struct {
	on satomic.Bool // set by the first evict, read by all that insert: until then no key is noted

	mu          ssync.Mutex
	ring        []uint32 // high halves of hashes; its length is a power of two
	first, next uint64   // of those in the ring
	gone        []uint16 // marks of keys that were evicted, each where its hash leads; 0: none
}

const (
	youngShare = 10 // evict leaves so many a part of the entries
	ringShare  = 4  // and the ring has room for so many
	minRing    = 64
)

// mark returns where a key would be among those gone, and its mark.
func (y *young) mark(hash uint32) (at *uint16, mark uint16) {
	return &y.gone[uint64(hash)*uint64(len(y.gone))>>32], uint16(hash) | 1
}

// add notes a key that had no entry, unless it was evicted lately. If the ring is full it forgets the oldest.
func (y *young) add(hash uint32) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if at, mark := y.mark(hash); *at == mark {
		*at = 0
		return
	}
	size := uint64(len(y.ring))
	if y.next-y.first == size {
		y.first++
	}
	y.ring[y.next&(size-1)] = hash
	y.next++
}

// left notes keys that were evicted.
func (y *young) left(hashes []uint32) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, hash := range hashes {
		at, mark := y.mark(hash)
		*at = mark
	}
}

// fit gives the ring room for a share of the entries, and lets keys be noted.
func (y *young) fit(entries int) {
	y.mu.Lock()
	defer y.mu.Unlock()
	size := uint64(max(len(y.ring), minRing))
	for size < uint64(entries/ringShare) {
		size *= 2
	}
	for size > minRing && size > uint64(entries) {
		size /= 2
	}
	if size == uint64(len(y.ring)) {
		return
	}
	y.first = max(y.first, y.next-min(y.next, size))
	ring := make([]uint32, size)
	for i := y.first; i < y.next; i++ {
		ring[i&(size-1)] = y.ring[i&uint64(len(y.ring)-1)]
	}
	y.ring, y.gone = ring, make([]uint16, 2*size)
	y.on.Store(true)
}

// oldest takes the oldest key out and returns its hash, if there are more than most.
func (y *young) oldest(most int) (hash uint32, ok bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.next-y.first <= uint64(most) {
		return 0, false
	}
	hash = y.ring[y.first&uint64(len(y.ring)-1)]
	y.first++
	return hash, true
}

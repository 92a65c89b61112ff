package smrmap

import (
	"github.com/gosmr/gosmr/internal/pages"
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
	// on: keys are noted. evict sets it, under handMu; add clears it once nobody evicts. Read by all that insert.
	on satomic.Bool

	mu          ssync.Mutex
	ring        []uint32 // high halves of hashes; its length is a power of two
	first, next uint64   // of those in the ring
	forgotten   uint64   // how many of them, since evict last took one, were never taken
	gone        []uint16 // marks of keys that were evicted, each where its hash leads; 0: none

	// size is what ring and gone took from the budget: what they have above the smallest. Written under
	// handMu, and by the cleanup of a map that was dropped; read by all.
	size *charge
}

const (
	youngShare = 10 // evict leaves so many a part of the entries
	ringShare  = 4  // and the ring has room for so many
	minRing    = 64
	marks      = 2 // places for marks, for each key in the ring
	ringBytes  = 4 + 2*marks
)

// mark returns where a key would be among those gone, and its mark.
func (y *young) mark(hash uint32) (at *uint16, mark uint16) {
	return &y.gone[uint64(hash)*uint64(len(y.gone))>>32], uint16(hash) | 1
}

// add notes a key that had no entry, unless it was evicted lately. If the ring is full it forgets the oldest;
// once it has forgotten as many as it holds, no key is noted until somebody evicts again.
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
		if y.forgotten++; y.forgotten == size {
			y.on.Store(false)
		}
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

// fit gives the ring room for a share of the entries, and lets keys be noted. The caller has handMu.
func (y *young) fit(entries int) {
	if len(y.ring) == 0 { // resize alone writes it, under handMu too
		y.resize(minRing)
	}
	size := len(y.ring)
	for size < entries/ringShare {
		size *= 2
	}
	for size > minRing && size > entries {
		size /= 2
	}
	if size != len(y.ring) {
		y.resize(size)
	}
	if !y.on.Load() {
		y.on.Store(true)
	}
}

// end gives back what the budget was charged: no more entries come. The caller has handMu.
func (y *young) end() {
	if len(y.ring) > minRing {
		y.resize(minRing)
	}
}

// resize gives the ring room for so many keys. Those that insert wait for a step of it at most: the ring and
// the marks that they leave behind a step are hints as well.
func (y *young) resize(size int) {
	const step = 4096
	above := int64(size-minRing) * ringBytes
	if size > len(y.ring) && pages.Probe(uint64(above)) != nil {
		return // Go would end the program; a smaller ring does for now
	}
	y.size.exchange(above)
	ring, gone := make([]uint32, size), make([]uint16, marks*size)
	for at := 0; at < len(y.gone); at += step {
		y.mu.Lock()
		copyMarks(gone, y.gone, at, min(at+step, len(y.gone)))
		y.mu.Unlock()
	}
	for i, done := uint64(0), false; !done; {
		y.mu.Lock()
		y.first = max(y.first, y.next-min(y.next, uint64(size)))
		i = max(i, y.first)
		for end := min(i+step, y.next); i < end; i++ {
			ring[i&uint64(size-1)] = y.ring[i&uint64(len(y.ring)-1)]
		}
		if done = i == y.next; done {
			y.ring, y.gone, y.forgotten = ring, gone, 0
		}
		y.mu.Unlock()
	}
}

// copyMarks copies the marks at from[first:end] to where their hashes lead among more places, or fewer. A mark
// does not tell which of the new places is its hash's: all get it. Where several become one, the first stays.
func copyMarks(to, from []uint16, first, end int) {
	if n := len(from) / len(to); n > 1 {
		for i := first / n; i < end/n; i++ {
			to[i] = from[i*n]
		}
		return
	}
	n := len(to) / len(from)
	for i, mark := range from[first:end] {
		for j := range n {
			to[(first+i)*n+j] = mark
		}
	}
}

// oldest takes the oldest key out and returns its hash, if there are more than most.
func (y *young) oldest(most int) (hash uint32, ok bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.forgotten = 0
	if y.next-y.first <= uint64(most) {
		return 0, false
	}
	hash = y.ring[y.first&uint64(len(y.ring)-1)]
	y.first++
	return hash, true
}

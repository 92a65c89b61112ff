package smrmap

import (
	"errors"
	"fmt"
	"math"
	"math/bits"
	"unsafe"

	"github.com/gosmr/gosmr/internal/pages"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// A spill has a table's chained buckets. They are numbered from 1, in 32 bits of which the lower 16
// are never all 0: see link.
//
// An unlinked bucket is reused at once, in any chain of the table. A reader may still be in it, and
// go on in that other chain. It misses nothing: the bucket was empty, and so was all behind it.
// What it finds there has its key, or the version of its own root tells it that it went astray:
// that changes after the unlinking and before the bucket is free.
type spill struct {
	// segments point to arrays of buckets: four of minSpill buckets, four of twice as many, and so
	// on, so that at most a fifth of all is unused. Each is written once, under mu; read by all.
	segments [maxSegments]satomic.Pointer[bucket]

	// spare is the length of the free list. Written under mu; read by all.
	spare satomic.Int64

	mu     ssync.Mutex // guards all below, and the ctl of buckets in no chain
	last   uint64      // the highest number given out so far
	free   uint64      // number of the first bucket of the free list, 0: none
	forced int64       // bytes that the budget had no room for
}

const (
	minSpill    = 8
	maxSegments = 4*27 + 1 // for any number
	freeShift   = 18       // of the next free number in a free bucket's ctl, above all that readers use
)

// errCrowded says that a bucket is full and there is no memory to chain another to it.
var errCrowded = errors.New("no room to chain a bucket")

// spillOf returns the table's spill, and makes it if this is the first.
func (t *table) spillOf() *spill {
	if s := t.spilled.Load(); s != nil {
		return s
	}
	t.spilled.CompareAndSwap(nil, new(spill)) // else another chain has
	return t.spilled.Load()
}

// segmentOf returns the segment of the bucket with the given number, and its index there. Segments
// 4*k to 4*k+3 have minSpill<<k buckets each.
func segmentOf(number uint64) (seg int, at uint64) {
	i := number + 4*minSpill - 1
	k := bits.Len64(i) - bits.Len(4*minSpill)
	return k<<2 | int(i>>(k+3)&3), i & (minSpill<<k - 1)
}

// spilledAt returns the chained bucket of the given number, nil if there is none yet.
func (t *table) spilledAt(number uint64) *bucket {
	seg, at := segmentOf(number)
	s := t.spilled.Load()
	if s == nil {
		return nil
	}
	first := s.segments[seg].Load()
	if first == nil {
		return nil
	}
	return (*bucket)(unsafe.Add(unsafe.Pointer(first), at*bucketSize))
}

// chained returns the bucket behind one with the given ctl and tags, nil if there is none.
func (t *table) chained(ctl, tags uint64) *bucket {
	if ctl&linkMask == 0 {
		return nil
	}
	return t.spilledAt(link(ctl, tags))
}

// after returns the bucket behind b. In a locked chain that is so until it is unlocked.
func (t *table) after(b *bucket) *bucket { return t.chained(b.ctl.Load(), b.tags.Load()) }

// vacancy returns a free slot of the locked chain. If there is none it chains a bucket, which may
// change the root's ctl. Without must it may return an error that wraps [slab.ErrNoMemory].
func (t *table) vacancy(b *bucket, must bool) (place, error) {
	for {
		if i := b.free(); i >= 0 {
			return place{b, i}, nil
		}
		next := t.after(b)
		if next == nil {
			next, err := t.chain(b, must)
			return place{next, 0}, err
		}
		b = next
	}
}

// chain adds a bucket to a locked chain that ends with last, and changes the ctl of last. Its
// errors are those of vacancy.
func (t *table) chain(last *bucket, must bool) (*bucket, error) {
	s := t.spillOf()
	s.mu.Lock()
	defer s.mu.Unlock()
	number := s.free
	if number != 0 {
		b := t.spilledAt(number)
		s.free = b.ctl.Load() >> freeShift
		s.spare.Add(-1)
		b.ctl.Store(0)
		last.setLink(number)
		return b, nil
	}
	if number = s.last + 1; number&linkMask == 0 { // its low half must not be 0
		number++
	}
	if number > math.MaxUint32 {
		panic("smrmap: more than 2^32 chained buckets")
	}
	seg, _ := segmentOf(number)
	if s.segments[seg].Load() == nil {
		if err := t.addSegment(seg, must); err != nil {
			return nil, err
		}
	}
	s.last = number
	last.setLink(number)
	return t.spilledAt(number), nil
}

// addSegment allocates a segment. spill.mu is held.
//
// With must set (a bucket is being moved, and its entries need a place) it allocates even when the
// budget is used up. Otherwise segments may exceed the budget by a share of the table, since chance
// decides how many chained buckets a number of entries needs.
func (t *table) addSegment(seg int, must bool) error {
	s := t.spilled.Load()
	n := minSpill << (seg >> 2)
	size := bytesOf(n)
	if err := t.take(n, false); err != nil {
		if !must {
			if s.forced += size; s.forced > t.share() || errors.Is(err, pages.ErrNoMemory) {
				s.forced -= size
				return fmt.Errorf("smrmap: %w: %w", errCrowded, err)
			}
		}
		t.take(n, true)
	}
	s.segments[seg].Store((*bucket)(t.buckets(n)))
	return nil
}

// share is how far chained buckets may exceed the budget: a quarter of the roots, and a segment.
func (t *table) share() int64 { return bytesOf(t.n)/4 + bytesOf(minSpill) }

// shorten frees the locked chain's trailing empty buckets and reports whether the table is loose.
func (t *table) shorten(root *bucket) bool {
	keep := root
	for b := t.after(root); b != nil; b = t.after(b) {
		if !b.empty() {
			keep = b
		}
	}
	number := link(keep.ctl.Load(), keep.tags.Load())
	if number == 0 {
		return false
	}
	// First the unlinking, then the version: a reader that has this version does not get there.
	keep.ctl.Store(keep.ctl.Load() &^ linkMask)
	root.ctl.Store(bumped(root.ctl.Load()))
	t.release(number)
	return t.loose()
}

// release puts an unlinked bucket, and those behind it, on the free list. They are empty.
func (t *table) release(number uint64) {
	s := t.spilled.Load()
	s.mu.Lock()
	defer s.mu.Unlock()
	for number != 0 {
		b := t.spilledAt(number)
		next := link(b.ctl.Load(), b.tags.Load())
		b.ctl.Store(s.free << freeShift)
		b.tags.Store(0)
		s.free = number
		s.spare.Add(1)
		number = next
	}
}

// loose reports whether a table without the free chained buckets would be much smaller.
func (t *table) loose() bool {
	s := t.spilled.Load()
	return s != nil && s.spare.Load() > int64(t.n/2+8*minSpill)
}

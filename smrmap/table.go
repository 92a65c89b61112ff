package smrmap

import (
	"math/bits"
	"unsafe"

	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/slab"
)

// A table is an array of buckets, indexed by the high bits of the hash: so the
// entries of one bucket are those of one stretch of hashes, in a table of any size,
// and a walk by hash goes on where it was when the table has changed under it.
//
// Its memory is Go's, without pointers where the entries are off the Go heap: the
// collector does not look into it, and keeps it for as long as any reader has it.
type table struct {
	root  unsafe.Pointer // of the first bucket, aligned to a line unless heap
	shift uint8          // 64 - log2(n)
	n     int
	heap  bool // entries are on the Go heap

	// next is the table that the entries are on their way to; nil: none. Set once, by
	// resize. A bucket belongs to this table until it is marked moved, and from then
	// on to the next one.
	next atomic.Pointer[table]

	// spill holds the buckets that are chained, in segments of minSpill, 2*minSpill...
	// Segments come under spillMu, and stay. Numbers begin with 1.
	spill   [32]atomic.Pointer[bucket] // first of each segment
	spillMu sync.Mutex
	spilled uint64 // number of the last bucket given out; under spillMu
	budget  *slab.Budget
	size    atomic.Int64 // bytes, as taken from budget
}

const (
	lineSize = 64
	minBits  = 3
	maxBits  = 32 // no more than the bits of a hash that entries of Bytes keep
	minSpill = 8
)

// newTable returns an empty table. One that is to replace a larger one must be had, also
// where the budget is at its end.
func newTable(logn int, heap, must bool, budget *slab.Budget) (*table, error) {
	t := &table{shift: uint8(64 - logn), n: 1 << logn, heap: heap, budget: budget}
	if must {
		budget.Force(bytesOf(t.n))
	} else if err := budget.Take(bytesOf(t.n)); err != nil {
		return nil, err
	}
	t.root = t.buckets(t.n)
	return t, nil
}

// bytesOf returns the size of n buckets, and room to align them.
func bytesOf(n int) int64 { return int64(n+1) * bucketSize }

// buckets allocates n buckets, whose size was taken from the budget.
func (t *table) buckets(n int) unsafe.Pointer {
	size := bytesOf(n)
	t.size.Add(size)
	if t.heap {
		// As it is: where the pointers are is said of its start.
		return unsafe.Pointer(unsafe.SliceData(make([]bucket, n+1)))
	}
	p := unsafe.Pointer(unsafe.SliceData(make([]uint64, size/8)))
	if bucketSize == lineSize {
		p = unsafe.Add(p, -uintptr(p)%lineSize)
	}
	return p
}

// drop gives back to the budget what the table took. The memory goes when its last
// reader does.
func (t *table) drop() { t.budget.Put(t.size.Swap(0)) }

// bucket returns the root for a hash.
func (t *table) bucket(h uint64) *bucket {
	return (*bucket)(unsafe.Add(t.root, h>>(t.shift&63)*bucketSize))
}

// at returns root i.
func (t *table) at(i int) *bucket { return (*bucket)(unsafe.Add(t.root, i*bucketSize)) }

// chained returns the bucket behind one whose ctl and tags are given, nil if there is
// none.
func (t *table) chained(ctl, tags uint64) *bucket {
	if ctl&linkMask == 0 {
		return nil
	}
	return t.spilledAt(link(ctl, tags))
}

// after returns the bucket behind b in a locked chain.
func (t *table) after(b *bucket) *bucket { return t.chained(b.ctl.Load(), b.tags.Load()) }

// spilledAt returns the chained bucket of the given number.
func (t *table) spilledAt(number uint64) *bucket {
	seg, i := spillAt(number)
	return (*bucket)(unsafe.Add(unsafe.Pointer(t.spill[seg].Load()), i*bucketSize))
}

// spillAt returns the segment of spilled bucket i, and where in it that is.
func spillAt(i uint64) (seg int, at uint64) {
	seg = bits.Len64(i/minSpill+1) - 1
	return seg, i - (1<<seg-1)*minSpill
}

// chain adds a bucket behind last, the last one of a locked chain, whose ctl it changes.
// It does so also where the budget is at its end: an entry that has memory must find its
// place, and be moved when its time comes.
func (t *table) chain(last *bucket) *bucket {
	t.spillMu.Lock()
	defer t.spillMu.Unlock()
	number := t.spilled + 1
	if number&linkMask == 0 { // its low half must not be 0
		number++
	}
	seg, at := spillAt(number)
	if t.spill[seg].Load() == nil {
		t.budget.Force(bytesOf(minSpill << seg))
		t.spill[seg].Store((*bucket)(t.buckets(minSpill << seg)))
	}
	t.spilled = number
	last.setLink(number)
	return (*bucket)(unsafe.Add(unsafe.Pointer(t.spill[seg].Load()), at*bucketSize))
}

// follow returns the table and the root that a hash belongs to now, and the root's ctl.
func (t *table) follow(h uint64) (*table, *bucket, uint64) {
	for {
		b := t.bucket(h)
		ctl := b.ctl.Load()
		if ctl&moved == 0 || mutant.Is(mutant.NoMovedCheck) {
			return t, b, ctl
		}
		t = t.next.Load()
	}
}

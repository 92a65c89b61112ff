package smrmap

import (
	"fmt"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/slab"
)

// A table is an array of buckets. Its memory is Go's, so the collector keeps it for as long as a
// reader has it; where the entries are off the Go heap, the collector does not scan it.
type table struct {
	root  unsafe.Pointer // the first bucket, aligned to a line unless heap
	shift uint8          // 64 - log2(n)
	n     int
	heap  bool // entries are on the Go heap
	// closed: it is the last table, and takes no entry. See closed.go.
	closed bool

	// next is the table that the entries move to, or nil. Written once, by begin, before any
	// bucket is marked; read by all that find a mark. A range of hashes belongs to this table until
	// its bucket is marked moved, and to the next one after that.
	next satomic.Pointer[table]

	// spilled is nil until the first bucket is chained. Written once, by spillOf, before the link to
	// that bucket; read by all.
	spilled satomic.Pointer[spill]
	size    *charge // of roots and chained buckets
}

// A charge is what a table, or a map's young, took from a budget. It is separate from its owner, so that a
// cleanup can give it back when the collector finds the map dropped.
type charge struct {
	satomic.Int64 // bytes
	budget        *slab.Budget
}

// drop gives the bytes back, once. The table's memory goes when its last reader does.
func (c *charge) drop() { c.budget.Release(c.Swap(0)) }

// exchange takes n bytes, if need be beyond the limit, and gives back those of before.
func (c *charge) exchange(n int64) {
	c.budget.ReserveAlways(n)
	c.budget.Release(c.Swap(n))
}

const (
	lineSize = 64
	minBits  = 3
	// maxBits is no more than the bits of a hash that entries of Bytes keep, and small enough for
	// a table's size to fit an int.
	maxBits = 25 + 7*int(^uintptr(0)>>63)
)

// newTable returns an empty table. With must set (shrinking), it allocates even when the budget
// is used up. Otherwise it may return an error that wraps [slab.ErrNoMemory].
func newTable(logn int, heap, must bool, budget *slab.Budget) (*table, error) {
	t := &table{shift: uint8(64 - logn), n: 1 << logn, heap: heap, size: &charge{budget: budget}}
	if err := t.take(t.n, must); err != nil {
		return nil, err
	}
	t.root = t.buckets(t.n)
	if budget != nil && !sched.Controlled {
		runtime.AddCleanup(t, (*charge).drop, t.size)
	}
	return t, nil
}

// take takes the size of n buckets from the budget. Without must it also asks the system whether
// it has as much, and may return an error that wraps [slab.ErrNoMemory].
func (t *table) take(n int, must bool) error {
	size, budget := bytesOf(n), t.size.budget
	if must {
		budget.ReserveAlways(size)
		return nil
	}
	if err := budget.Reserve(size); err != nil {
		return err
	}
	// Go ends the program if the system refuses, so ask the system first.
	if err := pages.Probe(uint64(size)); err != nil {
		budget.Release(size)
		return fmt.Errorf("smrmap: %w: table of %d bytes: %w", slab.ErrNoMemory, size, err)
	}
	return nil
}

// bytesOf returns the size of n buckets.
func bytesOf(n int) int64 { return int64(n) * bucketSize }

// buckets allocates n buckets, whose size take has taken.
func (t *table) buckets(n int) unsafe.Pointer {
	size := bytesOf(n)
	t.size.Add(size)
	if t.heap {
		return unsafe.Pointer(unsafe.SliceData(make([]bucket, n)))
	}
	p := unsafe.Pointer(unsafe.SliceData(make([]uint64, size/8)))
	if bucketSize == lineSize && uintptr(p)%lineSize != 0 { // no allocator of Go does that so far
		p = unsafe.Pointer(unsafe.SliceData(make([]uint64, (size+lineSize)/8)))
		p = unsafe.Add(p, -uintptr(p)%lineSize)
	}
	return p
}

// bucket returns the root for a hash.
func (t *table) bucket(h uint64) *bucket {
	return (*bucket)(unsafe.Add(t.root, h>>(t.shift&63)*bucketSize))
}

// at returns root i.
func (t *table) at(i int) *bucket { return (*bucket)(unsafe.Add(t.root, i*bucketSize)) }

// follow returns the table and the root that a hash belongs to now, and the root's ctl.
func (t *table) follow(h uint64) (*table, *bucket, uint64) {
	for {
		b := t.bucket(h)
		ctl := b.ctl.Load()
		if ctl&moved == 0 {
			return t, b, ctl
		}
		t = t.next.Load()
	}
}

// Package pages is where memory off the Go heap comes from: blocks of 64 KiB to
// 2 MiB, aligned to their size, and large ones of any size.
//
// Blocks are cut in halves from reservations of address space, as buddies
// (Knowlton 1965), the lowest address first, so that all users of the process
// share their huge pages. [Free] gives a block's memory back to the system and
// keeps its address: it can be read at any time, as zeros, and is given out
// again. That is what lets an optimistic reader look at memory that was freed
// under it, find out, and start over. (Under -tags invariants, where nobody is
// optimistic, freed blocks fault for a while.) Large blocks are unmapped.
//
// Where the system has no mmap, and under the race detector (which takes no notice
// of synchronization in memory that is not Go's), blocks are Go memory without
// pointers, and are kept for reuse.
package pages

import (
	"errors"
	"math/bits"
	"sync"
	"unsafe"
)

// MinBlock and MaxBlock bound the size of a block, in bytes.
const (
	MinBlock = 1 << minShift
	MaxBlock = 1 << maxShift
)

const (
	minShift = 16
	maxShift = 21 // a huge page, where there are any
	orders   = maxShift - minShift + 1

	// reservation is what is asked of the system at a time. It costs address
	// space only.
	reservation = 16 << 20 << (^uintptr(0) >> 63 * 2) // 64 MiB, 16 MiB where addresses are short
	perOrder    = reservation / MaxBlock
)

// ErrNoMemory is returned when the system refuses.
var ErrNoMemory = errors.New("the system has no memory to give")

// A region is one reservation. free holds, for each order, a bit for each block
// of that size that is free and whose buddy is not.
type region struct {
	base unsafe.Pointer
	free [orders][reservation / MinBlock / 64]uint64
	has  [orders]int // bits set
}

var heap struct {
	mu      sync.Mutex // guards all below
	regions []*region
	lowest  [orders]int // no region below this one has a free block of the order
}

// Alloc returns a block of size bytes, zeroed and aligned to its size, which is a
// power of two from MinBlock to MaxBlock.
func Alloc(size uintptr) (unsafe.Pointer, error) {
	order := bits.TrailingZeros64(uint64(size)) - minShift
	if order < 0 || order >= orders || size&(size-1) != 0 {
		panic("pages: no such block size")
	}
	if onGoHeap {
		return allocGo(size)
	}
	heap.mu.Lock()
	defer heap.mu.Unlock()
	for from := order; from < orders; from++ {
		for i := heap.lowest[from]; i < len(heap.regions); i++ {
			if r := heap.regions[i]; r.has[from] > 0 {
				heap.lowest[from] = i
				return r.cut(from, order), nil
			}
		}
		heap.lowest[from] = len(heap.regions)
	}
	base, err := reserve(reservation)
	if err != nil {
		return nil, err
	}
	r := &region{base: base}
	for i := range perOrder {
		r.set(orders-1, i)
	}
	heap.regions = append(heap.regions, r)
	heap.lowest[orders-1] = len(heap.regions) - 1
	return r.cut(orders-1, order), nil
}

// cut takes the lowest free block of order from and returns the first of the
// order-sized parts of it; the others become free.
func (r *region) cut(from, order int) unsafe.Pointer {
	i := r.first(from)
	r.clear(from, i)
	for ; from > order; from-- {
		i *= 2
		r.set(from-1, i+1)
		r.lowered(from - 1)
	}
	return unsafe.Add(r.base, uintptr(i)<<(order+minShift))
}

// Free gives the memory of a block of Alloc back to the system.
func Free(p unsafe.Pointer, size uintptr) {
	if onGoHeap {
		freeGo(p, size, false)
		return
	}
	for _, q := range quarantine(p, size) {
		decommit(q.p, q.size)
		join(q.p, q.size)
	}
}

// join makes a block free, and its buddy and it one block as long as both are.
func join(p unsafe.Pointer, size uintptr) {
	heap.mu.Lock()
	defer heap.mu.Unlock()
	for _, r := range heap.regions {
		off := uintptr(p) - uintptr(r.base)
		if uintptr(p) < uintptr(r.base) || off >= reservation {
			continue
		}
		order := bits.TrailingZeros64(uint64(size)) - minShift
		i := int(off >> (order + minShift))
		for o := order; o < orders; o++ {
			if r.isFree(o, i>>(o-order)) {
				panic("pages: freed a block twice")
			}
		}
		for ; order < orders-1 && r.isFree(order, i^1); order++ {
			r.clear(order, i^1)
			i /= 2
		}
		if order == orders-1 && size < MaxBlock {
			mended(unsafe.Add(r.base, i<<maxShift))
		}
		r.set(order, i)
		r.lowered(order)
		return
	}
	panic("pages: freed a block that was never allocated")
}

func (r *region) set(order, i int) {
	r.free[order][i/64] |= 1 << (i % 64)
	r.has[order]++
}

func (r *region) clear(order, i int) {
	r.free[order][i/64] &^= 1 << (i % 64)
	r.has[order]--
}

func (r *region) isFree(order, i int) bool { return r.free[order][i/64]>>(i%64)&1 != 0 }

func (r *region) first(order int) int {
	for w, word := range r.free[order] {
		if word != 0 {
			return w*64 + bits.TrailingZeros64(word)
		}
	}
	panic("pages: a count of free blocks is wrong")
}

// lowered notes that the region has a free block of the order.
func (r *region) lowered(order int) {
	for i, q := range heap.regions[:min(heap.lowest[order], len(heap.regions))] {
		if q == r {
			heap.lowest[order] = i
			return
		}
	}
}

// AllocLarge returns size bytes, zeroed and aligned to a page. size is rounded up
// with [RoundLarge].
func AllocLarge(size uintptr) (unsafe.Pointer, error) {
	if onGoHeap {
		return allocGo(size)
	}
	return mapLarge(size)
}

// FreeLarge unmaps what AllocLarge returned.
func FreeLarge(p unsafe.Pointer, size uintptr) {
	if onGoHeap {
		freeGo(p, size, true)
		return
	}
	unmapLarge(p, size)
}

// RoundLarge returns the size of a large block that holds size bytes.
func RoundLarge(size uintptr) uintptr { return (size + largeUnit - 1) &^ (largeUnit - 1) }

// largeUnit is at least a page everywhere.
const largeUnit = 64 << 10

// Huge asks for huge pages under Go memory that was not touched yet and is looked at in
// no order: a large table. It does nothing where there are none.
func Huge(p unsafe.Pointer, size uintptr) {
	start := (uintptr(p) + MaxBlock - 1) &^ (MaxBlock - 1)
	if end := (uintptr(p) + size) &^ (MaxBlock - 1); end > start {
		adviseHuge(unsafe.Add(p, start-uintptr(p)), end-start)
	}
}

package pages

import (
	"math/bits"
	"slices"
	"sync"
	"unsafe"
)

// maxRegion bounds a reservation, in bytes: 64 MiB, 16 MiB where addresses are short.
const maxRegion = 16 << 20 << (^uintptr(0) >> 63 * 2)

// A region is one reservation, which up to opened is in blocks or free. free holds, for each
// order, a bit for each block of that size that is free and whose buddy is not. heap.mu guards
// free, has and opened; the other fields are constant.
type region struct {
	base   unsafe.Pointer // aligned to size, or to MaxBlock if that is less
	size   uintptr        // a power of two
	of     *regionSet
	index  int     // in of.regions
	opened uintptr // the rest can't be touched
	free   [orders][maxRegion / MinBlock / 64]uint64
	has    [orders]int // bits set
}

var heap struct {
	mu sync.Mutex // guards the rest
	regionSet
	sparse regionSet // of AllocSparse: without huge pages
}

type regionSet struct {
	regions []*region   // the oldest first
	byBase  []*region   // the same, by address
	partly  []*region   // those not opened to their end: at most one, unless the system refused
	lowest  [orders]int // no region below this one has a free block of the order
	next    uintptr     // size of the next reservation; 0: MaxBlock
}

// takeLocked returns a free block of the order, cut from a larger one if need be; nil if none.
func (s *regionSet) takeLocked(order int) unsafe.Pointer {
	for from := order; from < orders; from++ {
		for i := s.lowest[from]; i < len(s.regions); i++ {
			if r := s.regions[i]; r.has[from] > 0 {
				s.lowest[from] = i
				return r.cut(from, order)
			}
		}
		s.lowest[from] = len(s.regions)
	}
	return nil
}

// growLocked makes a free block of at least size bytes.
func (s *regionSet) growLocked(size uintptr) error {
	for i, r := range s.partly {
		if r.open() != nil {
			continue
		}
		if r.opened == r.size {
			s.partly = slices.Delete(s.partly, i, i+1)
		}
		return nil
	}
	var err error
	for n := max(s.next, MaxBlock); n >= size; n /= 2 {
		if err = s.addRegionLocked(n); err == nil {
			s.next = min(max(2*n, MaxBlock), maxRegion)
			return nil
		}
	}
	return err
}

// addRegionLocked reserves a region of size bytes and opens the start of it.
func (s *regionSet) addRegionLocked(size uintptr) error {
	base, err := reserve(size, min(size, MaxBlock))
	if err != nil {
		return err
	}
	if s == &heap.sparse {
		adviseSmall(block{base, size})
	} else if size >= MaxBlock {
		adviseHuge(block{base, size})
	}
	r := &region{base: base, size: size, of: s, index: len(s.regions)}
	if err := r.open(); err != nil {
		unmap(base, size)
		return err
	}
	s.regions = append(s.regions, r)
	s.byBase = slices.Insert(s.byBase, s.searchLocked(base), r)
	if r.opened < r.size {
		s.partly = append(s.partly, r)
	}
	return nil
}

// open makes the next MaxBlock of a region free, or the only block of a small region. If the
// system refuses that, it makes all the rest free, which splits no mapping.
func (r *region) open() error {
	n := min(r.size-r.opened, MaxBlock)
	start := unsafe.Add(r.base, r.opened)
	if err := protect(block{start, n}, protection); err != nil {
		n = r.size - r.opened
		if protect(block{start, n}, protection) != nil {
			return err
		}
	}
	top := r.top()
	for end := r.opened + n; r.opened < end; r.opened += MinBlock << top {
		r.set(top, int(r.opened>>(top+minShift)))
	}
	return nil
}

// top returns the order of the largest blocks of the region.
func (r *region) top() int { return orderOf(min(r.size, MaxBlock)) }

// cut takes the lowest free block of order from, and returns the first part of it that is of
// the given order; the rest becomes free.
func (r *region) cut(from, order int) unsafe.Pointer {
	i := r.first(from)
	r.clear(from, i)
	for ; from > order; from-- {
		i *= 2
		r.set(from-1, i+1)
	}
	return unsafe.Add(r.base, uintptr(i)<<(order+minShift))
}

// join makes a block free, and merges it with its buddy as long as both are free.
func join(p unsafe.Pointer, size uintptr) {
	heap.mu.Lock()
	defer heap.mu.Unlock()
	r := heap.regionLocked(p)
	if r == nil {
		r = heap.sparse.regionLocked(p)
	}
	if r == nil {
		panic("pages: freed a block that was never allocated")
	}
	order, top := orderOf(size), r.top()
	i := int((uintptr(p) - uintptr(r.base)) >> (order + minShift))
	for o := order; o <= top; o++ {
		if r.isFree(o, i>>(o-order)) {
			panic("pages: freed a block twice")
		}
	}
	for ; order < top && r.isFree(order, i^1); order++ {
		r.clear(order, i^1)
		i /= 2
	}
	if order == orders-1 && size < MaxBlock {
		mended(unsafe.Add(r.base, i<<maxShift))
	}
	r.set(order, i)
}

// regionLocked returns the region whose opened part contains p, nil if there is none.
func (s *regionSet) regionLocked(p unsafe.Pointer) *region {
	i := s.searchLocked(unsafe.Add(p, 1)) - 1 // the last one that begins at p or below
	if i < 0 {
		return nil
	}
	if r := s.byBase[i]; uintptr(p)-uintptr(r.base) < r.opened {
		return r
	}
	return nil
}

// searchLocked returns how many regions begin below p.
func (s *regionSet) searchLocked(p unsafe.Pointer) int {
	i, _ := slices.BinarySearchFunc(s.byBase, uintptr(p), func(r *region, p uintptr) int {
		if uintptr(r.base) < p {
			return -1
		}
		return 1
	})
	return i
}

func (r *region) set(order, i int) {
	r.free[order][i/64] |= 1 << (i % 64)
	r.has[order]++
	r.of.lowest[order] = min(r.of.lowest[order], r.index)
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

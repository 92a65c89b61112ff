package slab

import (
	"fmt"
	"math/bits"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/mutant"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A store hands out objects of one size: what Pool is for one type, and Blocks for
// each of its size classes.
type store struct {
	// Constant after init.
	dom      *smr.Domain
	budget   *Budget
	name     string
	size     uintptr // from one object to the next
	slabSize uintptr
	perSlab  int
	capacity int // of a magazine
	fence    asym.Fence
	// stable: a slab waits for a grace period before it goes back to the system,
	// since readers may look at objects that were freed rather than retired.
	stable bool
	// newCells makes the memory of a slab on the Go heap, and a word in each object,
	// trailer bytes into it, which holds the *slab. nil: off it.
	newCells func(*slab) unsafe.Pointer
	trailer  uintptr

	caches pcpu.Slots[cache]

	_ [pcpu.Stride]byte // what follows is written all the time

	alone  alone
	reused atomic.Uint64 // retired objects that are free again

	mu       sync.Mutex // guards all below
	full     *magazine  // magazines of free objects
	nFull    int
	empty    *magazine // a few, for reuse
	nEmpty   int
	waiting  waitList // magazines of retired objects
	pollAt   int      // length of waiting at which readers are looked at again
	slabs    []*slab  // by number; nil: the number is free
	holes    []uint32
	tickets  *ticket  // for reuse
	partial  slabList // those with some free objects and some taken
	spare    *slab    // one with all objects free, against going back and forth
	reserved int64    // bytes of all slabs
	taken    int      // objects out of their slabs: in use, in magazines, or retired
	freed    int      // objects that became free since the last trim of wasteful
	closed   bool

	check checks // of -tags invariants
}

// alone counts what went by no cache. Written by atomic add.
type alone struct{ gets, frees, retires atomic.Uint64 }

// A slab is one block of memory, cut into objects. Its fields are guarded by
// store.mu; base, store and number are constant.
type slab struct {
	store      *store
	base       unsafe.Pointer // of the block; of the first object where on the Go heap
	number     uint32
	nFree      int
	free       []uint64 // a bit for each object that is here
	prev, next *slab    // in partial
}

// A header is at the start of each slab off the Go heap: what leads from an object
// to its slab.
type header struct {
	magic  uint64 // tells a header from what overran it
	number uint64
}

const (
	headerMagic = 0x62616c73_2d726d73
	firstObject = 64 // a line of its own for the header
	maxObject   = 64 << 10
	minPerSlab  = 8 // bounds the waste at the end of a slab
)

func (s *store) init() {
	s.fence = asym.New()
	s.caches.Init(func(int) *cache { return new(cache) })
	s.pollAt = pollEvery
	s.capacity = int(min(max(magazineBytes/s.size, 1), magazineCap))
	s.slabSize = pages.MinBlock
	for s.newCells == nil && s.slabSize < firstObject+s.size*minPerSlab && s.slabSize < pages.MaxBlock {
		s.slabSize *= 2
	}
	if s.newCells == nil {
		s.perSlab = int((s.slabSize - firstObject) / s.size)
	} else {
		s.perSlab = int(max(s.slabSize/s.size, 1))
		s.slabSize = uintptr(s.perSlab) * s.size
	}
	s.budget.join(s)
}

// object returns the i-th object of a slab.
func (sl *slab) object(i int) unsafe.Pointer {
	first := uintptr(firstObject)
	if sl.store.newCells != nil {
		first = 0
	}
	return unsafe.Add(sl.base, first+uintptr(i)*sl.store.size)
}

// slabOf returns the slab of an object. It panics if the object is not of this
// store, as far as that shows.
func (s *store) slabOf(p unsafe.Pointer) (sl *slab, index int) {
	if s.newCells != nil {
		sl = *(**slab)(unsafe.Add(p, s.trailer))
	} else {
		h := (*header)(unsafe.Pointer(uintptr(p) &^ (s.slabSize - 1)))
		if h.magic != headerMagic {
			panic(fmt.Sprintf("slab: %s: %p is not of a slab, or its slab was overrun", s.name, p))
		}
		if h.number < uint64(len(s.slabs)) {
			sl = s.slabs[h.number]
		}
	}
	if sl == nil || sl.store != s || uintptr(p) < uintptr(sl.object(0)) {
		panic(fmt.Sprintf("slab: %s: %p is not of this pool", s.name, p))
	}
	off := uintptr(p) - uintptr(sl.object(0))
	if off%s.size != 0 || off/s.size >= uintptr(s.perSlab) {
		panic(fmt.Sprintf("slab: %s: %p is not the start of an object", s.name, p))
	}
	return sl, int(off / s.size)
}

// fill moves up to n free objects from slabs to an empty magazine, and takes a new
// slab if it finds none. s.mu is held.
func (s *store) fillLocked(m *magazine, n int) error {
	for m.n < n {
		sl := s.partial.head
		switch {
		case sl != nil:
		case s.spare != nil:
			sl, s.spare = s.spare, nil
			s.partial.push(sl)
		case m.n > 0:
			return nil
		default:
			if err := s.growLocked(); err != nil {
				return err
			}
			continue
		}
		for w := range sl.free {
			for sl.free[w] != 0 && m.n < n {
				i := bits.TrailingZeros64(sl.free[w])
				sl.free[w] &= sl.free[w] - 1
				sl.nFree--
				m.objs[m.n] = sl.object(w*64 + i)
				m.n++
				s.taken++
			}
		}
		if sl.nFree == 0 {
			s.partial.remove(sl)
		}
	}
	return nil
}

// emptyLocked moves the objects of a magazine to their slabs. s.mu is held.
func (s *store) emptyLocked(m *magazine) {
	for ; m.n > 0; m.n-- {
		s.putLocked(m.objs[m.n-1])
		m.objs[m.n-1] = nil
	}
}

// putLocked gives an object back to its slab, and a slab that is whole to the
// system. s.mu is held.
func (s *store) putLocked(p unsafe.Pointer) {
	sl, i := s.slabOf(p)
	if sl.free[i/64]>>(i%64)&1 != 0 {
		panic(fmt.Sprintf("slab: %s: %p was freed twice", s.name, p))
	}
	sl.free[i/64] |= 1 << (i % 64)
	sl.nFree++
	s.taken--
	switch {
	case sl.nFree == 1 && s.perSlab > 1:
		s.partial.push(sl)
	case sl.nFree == s.perSlab:
		if s.perSlab > 1 {
			s.partial.remove(sl)
		}
		if s.spare == nil && !s.closed {
			s.spare = sl
			return
		}
		s.dropLocked(sl)
	}
}

// growLocked takes a slab from the system and makes it spare. s.mu is held, and
// released meanwhile: somebody else may have used the slab when this returns.
func (s *store) growLocked() error {
	s.mu.Unlock()
	sl, err := s.newSlab()
	s.mu.Lock()
	if err != nil {
		if s.partial.head != nil || s.spare != nil {
			return nil // somebody gave one back meanwhile
		}
		return err
	}
	if n := len(s.holes); n > 0 {
		sl.number = s.holes[n-1]
		s.holes = s.holes[:n-1]
		s.slabs[sl.number] = sl
	} else {
		sl.number = uint32(len(s.slabs))
		s.slabs = append(s.slabs, sl)
	}
	if s.newCells == nil {
		*(*header)(sl.base) = header{magic: headerMagic, number: uint64(sl.number)}
	}
	s.reserved += int64(s.slabSize)
	if s.spare == nil {
		s.spare = sl
	} else {
		s.partial.push(sl)
	}
	return nil
}

func (s *store) newSlab() (*slab, error) {
	if err := s.budget.Take(int64(s.slabSize)); err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	sl := &slab{store: s, nFree: s.perSlab, free: make([]uint64, (s.perSlab+63)/64)}
	for i := range s.perSlab {
		sl.free[i/64] |= 1 << (i % 64)
	}
	if s.newCells != nil {
		sl.base = s.newCells(sl)
	} else {
		p, err := pages.Alloc(s.slabSize)
		if err != nil {
			s.budget.Put(int64(s.slabSize))
			return nil, fmt.Errorf("%s: %w: %w", s.name, ErrNoMemory, err)
		}
		sl.base = p
	}
	return sl, nil
}

// dropLocked gives a whole slab, which is in no list, back to the system. s.mu is
// held.
func (s *store) dropLocked(sl *slab) {
	s.slabs[sl.number] = nil
	s.holes = append(s.holes, sl.number)
	s.reserved -= int64(s.slabSize)
	s.check.drop(sl)
	if s.stable && !mutant.Is(mutant.SlabBeforeReaders) {
		smr.Call(s.dom, sl, int(s.slabSize), (*slab).release)
	} else {
		sl.release()
	}
}

func (sl *slab) release() {
	s := sl.store
	if s.newCells == nil {
		pages.Free(sl.base, s.slabSize)
	}
	s.budget.Put(int64(s.slabSize))
}

// A slabList is a stack from whose middle slabs can be taken.
type slabList struct{ head *slab }

func (l *slabList) push(sl *slab) {
	sl.prev, sl.next = nil, l.head
	if l.head != nil {
		l.head.prev = sl
	}
	l.head = sl
}

func (l *slabList) remove(sl *slab) {
	if sl.prev != nil {
		sl.prev.next = sl.next
	} else {
		l.head = sl.next
	}
	if sl.next != nil {
		sl.next.prev = sl.prev
	}
	sl.prev, sl.next = nil, nil
}

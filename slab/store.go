package slab

import (
	"fmt"
	"math/bits"
	"unsafe"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/pages"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A store hands out objects of one size: what Pool is for one type, and Blocks for
// each of its size classes.
//
// Locks are taken in the order evacuator, Budget.mu, drainMu, mu. Locks of users, such as
// those under which they Get and Retire, come after the first and before the others.
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

	// lookDue: a deferred call will look. collectedAt is that call's: what had been given
	// back when it collected last.
	lookDue     atomic.Bool
	collectedAt uint64
	reclaimedAt uint64 // the same of Budget.reclaim; Budget.mu guards it

	// drainMu is held from the unloading of the caches until what was in them is
	// where others find it, so that who drains next does not overtake it.
	drainMu sync.Mutex

	// arrived is a stack of magazines of retired objects on their way to waiting, for
	// goroutines that must not block. Pushed to by compare-and-swap without mu, taken whole
	// by the holder of mu. The push comes before the Call of the ticket, whose callback
	// therefore finds the magazine.
	arrived atomic.Pointer[magazine]

	evacuator chan struct{} // a lock that one can give up to wait for: has room for who evacuates

	mu      sync.Mutex // guards all below
	full    *magazine  // magazines of free objects
	nFull   int
	empty   *magazine // some, for reuse
	nEmpty  int
	waiting waitList // magazines of retired objects
	pollAt  int      // length of waiting at which readers are looked at again
	tickets *ticket  // for reuse
	slabs   []*slab  // by number; nil: the number is free
	holes   []uint32
	partial slabList // those with some free objects and some taken
	spare   slabList // those with all objects free
	nSpare  int
	idle    int     // the least that nSpare was since the last look
	leaving []*slab // on their way to the system, once mu is unlocked
	late    []*slab // until the readers of a closed domain have left

	evacuating int // slabs that are to become whole, in neither list

	reserved int64 // bytes of all slabs
	taken    int64 // objects out of their slabs: in use, in magazines, or retired
	closed   bool

	abandoned bool // its slabs were given back, whatever was in them

	check checks // of -tags invariants
}

// alone counts what went by no cache. Written by atomic add.
type alone struct{ gets, frees, retires atomic.Uint64 }

// A slab is one block of memory, cut into objects. Its fields are guarded by
// store.mu until it was dropped; base, store and number are constant.
type slab struct {
	store      *store
	base       unsafe.Pointer // of the block; of the first object where on the Go heap
	number     uint32
	nFree      int
	free       []uint64 // a bit for each object that is here
	prev, next *slab    // in partial or spare
	evacuated  bool     // it is to become whole, and in neither list
	goal       smr.Seq  // of a whole one in a stable store: reached when no reader looks at it
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
	s.evacuator = make(chan struct{}, 1)
	s.caches.Init(func(int) *cache { return &cache{s: s} })
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

// unlock unlocks s.mu, gives those slabs to the system that were dropped under it, and
// asks for a look if there are many spare ones. On a closed domain, which takes no call,
// slabs that readers may look at wait in late.
func (s *store) unlock() {
	leaving := s.leaving
	s.leaving = nil
	many := s.nSpare > s.keptLocked()
	s.mu.Unlock()
	unread := true
	for _, sl := range leaving { // those that became whole first come first
		unread = unread && (!s.stable || s.unread(sl))
		switch {
		case unread:
			sl.release()
		case !smr.TryCall(s.dom, sl, int(s.slabSize), (*slab).release):
			s.mu.Lock()
			s.late = append(s.late, sl)
			s.reserved += int64(s.slabSize)
			s.mu.Unlock()
		}
	}
	if many {
		s.lookSoon()
	}
}

// releaseLate gives back what waited for the readers of a closed domain, when they have
// left.
func (s *store) releaseLate() {
	s.mu.Lock()
	late := s.late
	s.late = nil
	s.reserved -= int64(len(late)) * int64(s.slabSize)
	s.mu.Unlock()
	for _, sl := range late {
		sl.release()
	}
}

// unread reports whether it is known at once that nobody looks at a whole slab.
func (s *store) unread(sl *slab) bool {
	return s.dom.Poll(sl.goal)
}

// becameWhole is called when a slab is new, and each time when the last object of it was
// given back, so that who enters a section now can't get at any. s.mu is held.
func (sl *slab) becameWhole() {
	s := sl.store
	if s.stable {
		sl.goal = s.dom.Advance()
	}
}

func (sl *slab) release() {
	s := sl.store
	if s.newCells == nil {
		pages.Free(sl.base, s.slabSize)
	}
	s.budget.Put(int64(s.slabSize))
}

// fillLocked moves free objects from slabs to an empty magazine, until it is full or
// there are no more. s.mu is held.
func (s *store) fillLocked(m *magazine) {
	for m.n < s.capacity {
		sl := s.partial.head
		if sl == nil {
			if sl = s.spare.head; sl == nil {
				return
			}
			s.removeSpareLocked(sl)
			s.partial.push(sl)
		}
		for w := range sl.free {
			for sl.free[w] != 0 && m.n < s.capacity {
				i := bits.TrailingZeros64(sl.free[w])
				sl.free[w] &= sl.free[w] - 1
				sl.nFree--
				m.push(sl.object(w*64 + i))
				s.taken++
			}
		}
		if sl.nFree == 0 {
			s.partial.remove(sl)
		}
	}
}

// emptyLocked moves the objects of a magazine to their slabs. s.mu is held.
func (s *store) emptyLocked(m *magazine) {
	for m.n > 0 {
		s.putLocked(m.pop())
	}
}

// putLocked gives an object back to its slab. A slab that is whole is spare then, but
// where the budget is nearly used up others may want its memory. s.mu is held.
func (s *store) putLocked(p unsafe.Pointer) {
	sl, i := s.slabOf(p)
	if sl.free[i/64]>>(i%64)&1 != 0 {
		panic(fmt.Sprintf("slab: %s: %p was freed twice", s.name, p))
	}
	sl.free[i/64] |= 1 << (i % 64)
	sl.nFree++
	s.taken--
	if sl.evacuated {
		return
	}
	if sl.nFree == 1 {
		s.partial.push(sl)
	}
	if sl.nFree == s.perSlab {
		s.partial.remove(sl)
		s.addSpareLocked(sl)
		switch {
		case s.closed:
			s.dropSparesLocked(0)
		case s.dom.Closed(): // there will be no look
			s.dropSparesLocked(s.keptLocked())
		case s.budget.scarce(): // the rest soon, but not all of it for one Free to wait for
			s.dropUnreadLocked(max(s.keptLocked(), s.nSpare-2))
		}
	}
}

// addSpareLocked is for a slab that is new, or became whole. s.mu is held.
func (s *store) addSpareLocked(sl *slab) {
	sl.becameWhole()
	s.spare.push(sl)
	s.nSpare++
}

func (s *store) removeSpareLocked(sl *slab) {
	s.spare.remove(sl)
	s.nSpare--
	s.idle = min(s.idle, s.nSpare)
}

// dropSparesLocked gives back all whole slabs but those that became so last.
// s.mu is held.
func (s *store) dropSparesLocked(keep int) {
	if s.stable && s.dom.Closed() { // there will be no call: what readers look at stays until Close
		s.dropUnreadLocked(keep)
		return
	}
	s.dropAllLocked(keep)
}

func (s *store) dropAllLocked(keep int) {
	for s.nSpare > keep {
		sl := s.spare.tail
		s.removeSpareLocked(sl)
		s.dropLocked(sl)
	}
}

// dropLocked gives back a whole slab that is in no list. s.mu is held.
func (s *store) dropLocked(sl *slab) {
	s.slabs[sl.number] = nil
	s.holes = append(s.holes, sl.number)
	s.reserved -= int64(s.slabSize)
	s.check.drop(sl)
	s.leaving = append(s.leaving, sl)
}

// isAbandoned reports whether the store has nothing any more: its handle was dropped.
func (s *store) isAbandoned() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.abandoned
}

// grow takes a slab from the system. s.mu is not held.
func (s *store) grow() error {
	bury()
	if err := s.budget.take(int64(s.slabSize)); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return s.growBy(nil)
}

// growBy is grow by a slab whose bytes are taken from the budget already, where they go
// back if the system has no memory. It fills m with objects, if m is not nil.
func (s *store) growBy(m *magazine) error {
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
			return fmt.Errorf("%s: %w: %w", s.name, ErrNoMemory, err)
		}
		// The first write has the system find memory for the page, which takes long, and is
		// where a goroutine is preempted: not with the lock held.
		(*header)(p).magic = headerMagic
		sl.base = p
	}
	s.mu.Lock()
	defer s.unlock()
	if n := len(s.holes); n > 0 {
		sl.number = s.holes[n-1]
		s.holes = s.holes[:n-1]
		s.slabs[sl.number] = sl
	} else {
		sl.number = uint32(len(s.slabs))
		s.slabs = append(s.slabs, sl)
	}
	if s.newCells == nil {
		(*header)(sl.base).number = uint64(sl.number)
	}
	s.reserved += int64(s.slabSize)
	s.addSpareLocked(sl)
	if m != nil {
		s.fillLocked(m)
	}
	return nil
}

// A slabList is a stack from whose other end and middle slabs can be taken, too.
type slabList struct{ head, tail *slab }

func (l *slabList) push(sl *slab) {
	sl.prev, sl.next = nil, l.head
	if l.head != nil {
		l.head.prev = sl
	} else {
		l.tail = sl
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
	} else {
		l.tail = sl.prev
	}
	sl.prev, sl.next = nil, nil
}

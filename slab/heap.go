package slab

import (
	"fmt"
	"math/bits"
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/pages"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

// A heap holds the slabs of a store. Its lock is the store's last: under it readers may be
// polled, but nothing is released or called. Functions that let slabs go return them, and the
// caller releases them after unlocking.
//
//	add ──▶ empty ──fill──▶ partial ──fill──▶ (no list)
//	          │  ◀────put──── │  ▲ ◀──put, open─  │
//	          │               └──┴─evacuation────┴──▶ (no list, evacuated)
//	          ▼ drop                                          │
//	       released  ◀────────────────────────────────────────┘
type heap struct {
	s *store // constant

	// stable: a slab waits for a grace period before it goes back to the system, since readers
	// may hold objects that were freed rather than retired. Constant.
	stable bool

	mu          ssync.Mutex // guards all below
	slabs       []*slab     // by number; nil: the number is free
	freeNumbers []uint32
	sparse      []*slab  // those not opened to their end: at most one, unless several were first
	partial     slabList // those with some free objects and some taken
	empty       slabList // those with all objects free
	nEmpty      int
	idle        int // the least that nEmpty was since the last dropIdle

	reserved   int64 // bytes of all slabs, as far as they are opened
	emptyBytes int64 // those of empty ones
	objects    int64 // that all slabs have
	taken      int64 // objects out of their slabs: in use, in magazines, or retired
	closed     bool  // keep no empty slab
}

// A slab is one block of memory, cut into objects. heap.mu guards its fields until it is let go;
// base, store and number are constant.
//
// The first slab of a store opens a few pages at a time, since many pools need no more. What is not
// opened is not given out, so it takes no memory, and does not count in the budget.
type slab struct {
	store      *store
	base       unsafe.Pointer // of the block; on the Go heap, of the first object
	number     uint32
	opened     uintptr  // bytes, from base on, that the budget has counted: all, unless it is in heap.sparse
	n          int      // objects in what is opened
	nFree      int      // of these
	free       []uint64 // a bit for each object that is here
	prev, next *slab    // in partial or empty
	evacuated  bool     // it is to become empty, and is in neither list
	goal       smr.Seq  // of an empty one in a stable heap: reached when no reader can hold its objects
}

// A header at the start of each slab off the Go heap leads from an object to its slab.
type header struct {
	magic  uint64 // headerMagic, unless the header was overrun
	number uint64
}

const (
	headerMagic = 0x62616c73_2d726d73
	firstObject = 64 // past the header's cache line
	maxObject   = 64 << 10
	minPerSlab  = 8 // bounds the waste at the end of a slab
)

// newSlab takes a slab from the system, of which size bytes are opened, a step or all. Its objects are
// free, and the budget has counted the bytes.
func (s *store) newSlab(size uintptr) (*slab, error) {
	sl := &slab{store: s, free: make([]uint64, (s.perSlab+63)/64)}
	sl.open(size)
	if s.newCells != nil {
		sl.base = s.newCells(sl)
		return sl, nil
	}
	alloc := pages.Alloc
	if size < s.slabSize {
		alloc = pages.AllocSparse
	}
	p, err := alloc(s.slabSize)
	if err != nil && s.budget.dropSpares() {
		p, err = alloc(s.slabSize)
	}
	if err != nil {
		return nil, err
	}
	// The first write faults, which takes long and is where a goroutine is preempted. So it is
	// done here, with no lock held.
	(*header)(p).magic = headerMagic
	sl.base = p
	return sl, nil
}

// open adds the objects in the next size bytes, a step or all: they are free.
func (sl *slab) open(size uintptr) {
	s := sl.store
	sl.opened += size
	end := s.perSlab
	if sl.opened < s.slabSize {
		end = int((sl.opened - firstObject) / s.size)
	}
	for ; sl.n < end; sl.n++ {
		sl.free[sl.n/64] |= 1 << (sl.n % 64)
		sl.nFree++
	}
}

// release gives the memory of a slab back to the system and the budget.
func (sl *slab) release() {
	s := sl.store
	if s.newCells == nil {
		pages.Free(sl.base, s.slabSize)
	}
	s.budget.Release(int64(sl.opened))
}

func (sl *slab) object(i int) unsafe.Pointer {
	first := uintptr(firstObject)
	if sl.store.newCells != nil {
		first = 0
	}
	return unsafe.Add(sl.base, first+uintptr(i)*sl.store.size)
}

// slabOfLocked returns the slab of an object, and the object's index in it. It panics where it
// finds that the object is not of this store.
func (h *heap) slabOfLocked(p unsafe.Pointer) (sl *slab, index int) {
	s := h.s
	if s.newCells != nil {
		sl = *(**slab)(unsafe.Add(p, s.trailer))
	} else {
		head := (*header)(unsafe.Pointer(uintptr(p) &^ (s.slabSize - 1)))
		if head.magic != headerMagic {
			panic(fmt.Sprintf("slab: %s: %p is not of a slab, or its slab was overrun", s.name, p))
		}
		if head.number < uint64(len(h.slabs)) {
			sl = h.slabs[head.number]
		}
	}
	if sl == nil || sl.store != s || uintptr(p) < uintptr(sl.object(0)) {
		panic(fmt.Sprintf("slab: %s: %p is not of this pool", s.name, p))
	}
	off := uintptr(p) - uintptr(sl.object(0))
	if off%s.size != 0 || off/s.size >= uintptr(sl.n) {
		panic(fmt.Sprintf("slab: %s: %p is not the start of an object", s.name, p))
	}
	return sl, int(off / s.size)
}

// add takes in a new slab, and fills m with objects if m is not nil. It reports whether there
// are more empty slabs than are kept.
func (h *heap) add(sl *slab, m *magazine) (surplus bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if n := len(h.freeNumbers); n > 0 {
		sl.number = h.freeNumbers[n-1]
		h.freeNumbers = h.freeNumbers[:n-1]
		h.slabs[sl.number] = sl
	} else {
		sl.number = uint32(len(h.slabs))
		h.slabs = append(h.slabs, sl)
	}
	if h.s.newCells == nil {
		(*header)(sl.base).number = uint64(sl.number)
	}
	h.reserved += int64(sl.opened)
	h.objects += int64(sl.n)
	if sl.opened < h.s.slabSize {
		h.sparse = append(h.sparse, sl)
	}
	h.addEmptyLocked(sl)
	if m != nil {
		h.fillLocked(m)
	}
	return h.surplusLocked()
}

// growth returns how many bytes the store takes next, for a slab or, unless fresh, for the next step of
// one that it has.
func (h *heap) growth() (size uintptr, fresh bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case h.toOpenLocked() != nil:
		return h.s.step, false
	case h.nSlabsLocked() == len(h.sparse): // none, or all are being evacuated
		return h.s.step, true
	}
	return h.s.slabSize, true
}

// toOpenLocked returns a slab that is not opened to its end, nil if there is none.
func (h *heap) toOpenLocked() *slab {
	for _, sl := range h.sparse {
		if !sl.evacuated {
			return sl
		}
	}
	return nil
}

// open opens the next step of a slab, which the budget has counted, and fills m with objects if m is not
// nil. It reports false if no slab is left to open.
func (h *heap) open(m *magazine) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	sl := h.toOpenLocked()
	if sl == nil {
		return false
	}
	before, had := sl.n, sl.nFree
	sl.open(h.s.step)
	h.reserved += int64(h.s.step)
	h.objects += int64(sl.n - before)
	if sl.opened == h.s.slabSize {
		h.opensNoMoreLocked(sl)
	}
	switch had {
	case 0:
		h.partial.push(sl)
	case before: // in empty: it was given back meanwhile
		h.emptyBytes += int64(h.s.step)
	}
	if m != nil {
		h.fillLocked(m)
	}
	return true
}

func (h *heap) opensNoMoreLocked(sl *slab) {
	h.sparse = slices.DeleteFunc(h.sparse, func(other *slab) bool { return other == sl })
}

// fill moves free objects from slabs to an empty magazine, until that has enough or none are left.
func (h *heap) fill(m *magazine) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.fillLocked(m)
}

func (h *heap) fillLocked(m *magazine) {
	most := h.mostTakenLocked()
	for m.n < most {
		sl := h.partial.head
		if sl == nil {
			if sl = h.empty.head; sl == nil {
				return
			}
			h.removeEmptyLocked(sl)
			h.partial.push(sl)
		}
		for w := range sl.free {
			for sl.free[w] != 0 && m.n < most {
				i := bits.TrailingZeros64(sl.free[w])
				sl.free[w] &= sl.free[w] - 1
				sl.nFree--
				m.push(sl.object(w*64 + i))
				h.taken++
			}
		}
		if sl.nFree == 0 {
			h.partial.remove(sl)
		}
	}
}

// mostTakenLocked returns how many objects a magazine gets: few while the first slab opens, or each
// processor that uses a small pool would have a step for itself.
func (h *heap) mostTakenLocked() int {
	if len(h.sparse) == 0 {
		return h.s.capacity
	}
	return min(h.s.capacity, max(1, int(h.s.step/h.s.size)/4))
}

// put moves the objects of a magazine to their slabs. It returns the slabs that go at once, and
// reports whether there are more empty ones than are kept.
func (h *heap) put(m *magazine) (released []*slab, surplus bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	emptied := 0
	for m.n > 0 {
		if h.putLocked(m.pop()) {
			emptied++
		}
	}
	if emptied > 0 {
		released = h.shedLocked(emptied)
	}
	return released, h.surplusLocked()
}

// putLocked puts an object back into its slab, and reports whether the slab becomes empty.
func (h *heap) putLocked(p unsafe.Pointer) (emptied bool) {
	sl, i := h.slabOfLocked(p)
	if sl.free[i/64]>>(i%64)&1 != 0 {
		panic(fmt.Sprintf("slab: %s: %p was freed twice", h.s.name, p))
	}
	sl.free[i/64] |= 1 << (i % 64)
	sl.nFree++
	h.taken--
	if sl.evacuated {
		return false
	}
	if sl.nFree == 1 {
		h.partial.push(sl)
	}
	if sl.nFree < sl.n {
		return false
	}
	h.partial.remove(sl)
	h.addEmptyLocked(sl)
	return true
}

// addEmptyLocked takes in a slab that is new, or became empty.
func (h *heap) addEmptyLocked(sl *slab) {
	h.stampLocked(sl)
	h.empty.push(sl)
	h.nEmpty++
	h.emptyBytes += int64(sl.opened)
}

func (h *heap) removeEmptyLocked(sl *slab) {
	h.empty.remove(sl)
	h.nEmpty--
	h.emptyBytes -= int64(sl.opened)
	h.idle = min(h.idle, h.nEmpty)
}

// stampLocked gives a slab its goal when it is new, and each time its last object comes back: no
// reader that enters a section later can reach any of them.
func (h *heap) stampLocked(sl *slab) {
	if h.stable {
		sl.goal = h.s.dom.Advance()
	}
}

// unread reports whether no reader can hold objects of an empty slab.
func (h *heap) unread(sl *slab) bool { return !h.stable || h.s.dom.Poll(sl.goal) }

// dropLocked lets all but keep empty slabs go, those that became empty first before others. With
// unread set it stops at a slab with readers; so it does on a closed domain, which takes no call.
func (h *heap) dropLocked(keep int, unread bool) (released []*slab) {
	unread = unread || h.s.dom.Closed()
	for h.nEmpty > keep && (!unread || h.unread(h.empty.tail)) {
		sl := h.empty.tail
		h.removeEmptyLocked(sl)
		h.forgetLocked(sl)
		released = append(released, sl)
	}
	return released
}

// forgetLocked lets go an empty slab that is in no list.
func (h *heap) forgetLocked(sl *slab) {
	h.slabs[sl.number] = nil
	h.freeNumbers = append(h.freeNumbers, sl.number)
	h.reserved -= int64(sl.opened)
	h.objects -= int64(sl.n)
	h.opensNoMoreLocked(sl)
	h.s.check.drop(sl)
}

// close makes the heap keep no empty slab from now on.
func (h *heap) close() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.closed = true
}

// abandon forgets all slabs and returns them, with the objects that are in use.
func (h *heap) abandon() (released []*slab) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, sl := range h.slabs {
		if sl != nil {
			h.s.check.drop(sl)
			released = append(released, sl)
		}
	}
	h.closed = true
	h.slabs, h.freeNumbers, h.sparse = nil, nil, nil
	h.partial, h.empty, h.nEmpty, h.idle = slabList{}, slabList{}, 0, 0
	h.reserved, h.emptyBytes, h.objects, h.taken = 0, 0, 0, 0
	return released
}

type heapCounts struct {
	slabs, empty         int
	reserved, emptyBytes int64
	objects, taken       int64
}

func (h *heap) counts() heapCounts {
	h.mu.Lock()
	defer h.mu.Unlock()
	return heapCounts{h.nSlabsLocked(), h.nEmpty, h.reserved, h.emptyBytes, h.objects, h.taken}
}

func (h *heap) nSlabsLocked() int { return len(h.slabs) - len(h.freeNumbers) }

// A slabList is a stack from which any slab can be removed.
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

package slab

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/pages"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A store hands out objects of one size. A Pool has one, Blocks one for each size class. It
// joins the caches of the processors with its three parts.
//
// Locks are taken in the order evacuator, users' locks (under which they Get and Retire),
// Budget.mu, policy.moving, and then depot.mu or heap.mu, never both: magazines and slabs that
// leave one part are held by a function of the store until the next part takes them.
type store struct {
	fate.Shared // by the calls for its magazines
	layout
	dom      *smr.Domain
	budget   *Budget
	fence    asym.Fence
	holds    held.Domain          // dom's
	released func(unsafe.Pointer) // objectReleased
	freed    *event               // of all stores of Blocks; constant, as all above

	caches pcpu.Slots[cache]

	_ [pcpu.Stride]byte // the fields below are written all the time

	uncached uncached
	outside  satomic.Int64  // samples in use, or retired; written by atomic add
	readied  satomic.Uint64 // retired objects that became free; written by atomic add

	depot  depot
	heap   heap
	policy policy

	evacuator chan struct{} // a lock that can be waited for with a context; full while it is taken

	check checks // of -tags invariants
}

// layout says what the objects of a store are. It is constant after init.
type layout struct {
	name     string
	size     uintptr // from one object to the next
	slabSize uintptr
	perSlab  int
	capacity int // of a magazine

	// newCells makes the memory of a slab on the Go heap. The word at trailer in each object
	// holds its *slab. nil: off the Go heap.
	newCells func(*slab) unsafe.Pointer
	trailer  uintptr

	samples *quarantine // nil: none
	region  uintptr     // of samples: where it begins, and its size
	extent  uintptr

	step uintptr // what the first slab opens at a time, a part of slabSize; or all, where that saves nothing
}

// uncached counts operations that went by no cache. Written by atomic add.
type uncached struct{ gets, frees, retires satomic.Uint64 }

// init completes a store whose layout has a name and a size. With stable set, empty slabs
// wait for readers: see heap.stable.
func (s *store) init(stable bool) {
	s.fence = asym.New()
	s.evacuator = make(chan struct{}, 1)
	s.holds = held.Of(s.dom)
	s.released = s.objectReleased
	if s.freed == nil {
		s.freed = new(event)
	}
	s.caches.Init(func(int) *cache { return &cache{s: s, sampleAt: s.samples.nextAfter(0)} })
	s.capacity = int(min(max(magazineBytes/s.size, 1), magazineCap))
	if s.newCells == nil {
		s.slabSize = pages.MinBlock
		for s.slabSize < firstObject+s.size*minPerSlab && s.slabSize < pages.MaxBlock {
			s.slabSize *= 2
		}
		s.perSlab = int((s.slabSize - firstObject) / s.size)
		s.step = s.slabSize
		for pages.Sparse && s.step/2 >= max(firstObject+s.size, pages.PageSize) {
			s.step /= 2
		}
	} else {
		s.perSlab = int(max(pages.MinBlock/s.size, 1))
		s.slabSize = uintptr(s.perSlab) * s.size
		s.step = s.slabSize
	}
	s.depot.s, s.depot.pollAt = s, pollEvery
	s.heap.s, s.heap.stable = s, stable
	s.policy.s = s
	s.budget.join(s)
}

// use has the store take samples. It comes before init; q may be nil.
func (s *store) use(q *quarantine) {
	if s.samples = q; q != nil {
		s.region, s.extent = q.base, uintptr(q.o.MaxBytes)
	}
}

// get returns a free object, from this processor's cache if it has one.
func (s *store) get() (unsafe.Pointer, error) {
	c := s.pin()
	p := c.get()
	c.unpin()
	if p == nil {
		var err error
		if p, err = s.getSlow(); err != nil {
			return nil, err
		}
	}
	s.check.got(p)
	return p, nil
}

// free takes back an object that no reader can hold.
func (s *store) free(p unsafe.Pointer) {
	if p == nil {
		panic("slab: Free of nil")
	}
	s.check.freed(p)
	c := s.pin()
	done := c.free(p)
	c.unpin()
	if !done {
		s.freeSlow(p)
	}
}

// retire takes back an object that readers may hold. It does not block.
func (s *store) retire(p unsafe.Pointer) {
	if p == nil {
		panic("slab: Retire of nil")
	}
	s.check.retired(p)
	c := s.pin()
	done := !s.sampled(p) && c.retire(p)
	c.unpin()
	if !done {
		s.retireSlow(p)
	}
	s.check.expedite(p)
}

// getSlow is get when the cache has no free object: it loads the cache; or when a sample is due.
func (s *store) getSlow() (unsafe.Pointer, error) {
	if s.samples != nil {
		if p := s.getSample(); p != nil {
			return p, nil
		}
	}
	m, err := s.takeOrGrow()
	if err != nil {
		return nil, err
	}
	return s.load(m), nil
}

// load takes an object from a magazine, and puts the magazine into the cache of this processor
// if there is room.
func (s *store) load(m *magazine) unsafe.Pointer {
	p := m.pop()
	c := s.pinLoaded()
	if ld := c.magazines(); ld != nil {
		c.gets.Store(c.gets.Load() + 1)
		if ld.get.n == 0 {
			ld.get, m = m, ld.get
		} else if ld.other.n == 0 {
			ld.other, m = m, ld.other
		}
	} else {
		s.uncached.gets.Add(1)
	}
	c.unpin()
	s.keep(m)
	return p
}

// freeSlow is free when the cache has no room: a full magazine goes to the depot. Samples go to
// the quarantine.
func (s *store) freeSlow(p unsafe.Pointer) {
	if s.sampled(p) {
		s.freeSample(p)
		return
	}
	m := s.depot.getEmpty()
	c := s.pinLoaded()
	if ld := c.magazines(); ld != nil {
		to := ld.room(s.capacity)
		if to == nil {
			ld.other, m = m, ld.other
			to = ld.room(s.capacity)
		}
		to.push(p)
	} else {
		m.push(p)
	}
	c.unpin()
	some := m.n > 0
	s.keep(m)
	s.uncached.frees.Add(1) // after the objects are where reclaim finds them: see givenBack
	if some {
		s.suggestTrim()
	}
}

// retireSlow is retire when the cache has no room: the full magazine waits in the depot. It may
// run in a pinned section, so it does not block.
func (s *store) retireSlow(p unsafe.Pointer) {
	if s.sampled(p) {
		s.retireSample(p)
		return
	}
	m := s.depot.tryGetEmpty()
	c := s.pinLoaded()
	if ld := c.magazines(); ld != nil {
		if ld.retired.n >= s.capacity {
			ld.retired, m = m, ld.retired
		}
		ld.retired.push(p)
		c.retires.Store(c.retires.Load() + 1)
	} else {
		m.push(p)
		s.uncached.retires.Add(1)
	}
	s.depot.retire(m) // pinned, so that Trim waits for it
	c.unpin()
}

// takeOrGrow returns a magazine of free objects. It tries the depot and the slabs, a new slab,
// the other processors' caches, and what the other members of the budget give back, and the
// quarantine.
func (s *store) takeOrGrow() (*magazine, error) {
	for {
		if m := s.take(false); m != nil {
			return m, nil
		}
		err := s.grow()
		if err == nil {
			continue
		}
		if errors.Is(err, ErrClosed) {
			s.release(s.heap.drop(trimAll)) // what it grew beside Close
			return nil, err
		}
		s.policy.trim(trimCaches)
		if m := s.take(true); m != nil {
			return m, nil
		}
		if s.budget.reclaim(s) && s.grow() == nil {
			continue
		}
		if s.samples.trim() && s.grow() == nil {
			continue
		}
		if m := s.take(true); m != nil { // given back meanwhile
			return m, nil
		}
		return nil, err
	}
}

// take returns a magazine of free objects from the depot or the slabs, nil if there are none, or
// the store is closed. force is that of depot.take.
func (s *store) take(force bool) *magazine {
	m, ready := s.depot.take(force)
	if ready || m == nil {
		return m
	}
	if m.n > 0 { // its objects may be of a slab being evacuated
		s.toHeap(m)
	}
	if s.heap.fill(m); m.n == 0 {
		s.depot.keep(m)
		return nil
	}
	return m
}

// keep gives a magazine of free objects, or an empty one, to the depot. If that has enough,
// the objects go to their slabs.
func (s *store) keep(m *magazine) {
	if !s.depot.keep(m) {
		s.toHeap(m)
		s.depot.keep(m)
	}
}

// toHeap moves the objects of a magazine to their slabs, and releases the slabs that go for it.
func (s *store) toHeap(m *magazine) {
	released, surplus := s.heap.put(m)
	s.release(released)
	if surplus {
		s.policy.callShrink()
	}
}

// release gives slabs, those that became empty first before others, to the system: at once if no
// reader can hold their objects, else after a grace period. A closed domain takes no call: then
// the heap gets them back, for Close.
func (s *store) release(slabs []*slab) {
	unread := true
	for _, sl := range slabs {
		unread = unread && s.heap.unread(sl)
		switch {
		case unread:
			sl.release()
		case !smr.TryCall(s.dom, sl, int(sl.opened), (*slab).release):
			s.heap.add(sl, nil)
		}
	}
}

// grow takes memory from the system: a slab, or a step of one. A closed store returns [ErrClosed].
func (s *store) grow() error {
	if s.depot.isClosed() {
		return s.errClosed()
	}
	bury()
	for {
		size, fresh := s.heap.growth()
		if err := s.budget.reserve(int64(size)); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
		if fresh {
			return s.growBy(size, nil)
		}
		if s.heap.open(nil) {
			return nil
		}
		s.budget.Release(int64(size)) // others have opened the last step, or the slab went back
	}
}

func (s *store) errClosed() error { return fmt.Errorf("slab: Get from %s: %w", s.name, ErrClosed) }

// growBy is grow by a slab of which size bytes are opened, a step or all, and already taken from the
// budget. They go back if the system has no memory. It fills m with objects if m is not nil.
func (s *store) growBy(size uintptr, m *magazine) error {
	sl, err := s.newSlab(size)
	if err != nil {
		s.budget.Release(int64(size))
		return fmt.Errorf("%s: %w: %w", s.name, ErrNoMemory, err)
	}
	if surplus := s.heap.add(sl, m); surplus {
		s.policy.callShrink()
	}
	return nil
}

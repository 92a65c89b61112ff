package slab

import (
	"fmt"
	"unsafe"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/pages"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
)

// A store hands out objects of one size: what Pool is for one type, and Blocks for
// each of its size classes. It joins the caches of the processors with its three parts.
// Neither depot.mu nor heap.mu is held while the other is taken: what a part lets go is in the
// hands of the store's function until the next part has it.
//
// Locks are taken in the order evacuator, Budget.mu, policy.moving, and then depot.mu or
// heap.mu. Locks of users, such as those under which they Get and Retire, come after the
// first and before the others.
type store struct {
	layout
	dom    *smr.Domain
	budget *Budget
	fence  asym.Fence // constant, as all above

	caches pcpu.Slots[cache]

	_ [pcpu.Stride]byte // what follows is written all the time

	uncached uncached
	readied  satomic.Uint64 // retired objects that are free again; written by atomic add

	depot  depot
	heap   heap
	policy policy

	evacuator chan struct{} // a lock whose waiters can give up: holds one value while it is taken

	check checks // of -tags invariants
}

// layout says what the objects of a store are. It is constant after init.
type layout struct {
	name     string
	size     uintptr // from one object to the next
	slabSize uintptr
	perSlab  int
	capacity int // of a magazine

	// newCells makes the memory of a slab on the Go heap, and a word in each object,
	// trailer bytes into it, which holds the *slab. nil: off it.
	newCells func(*slab) unsafe.Pointer
	trailer  uintptr
}

// uncached counts what went by no cache. Written by atomic add.
type uncached struct{ gets, frees, retires satomic.Uint64 }

// init completes a store whose layout has a name and a size. With stable set, empty slabs
// wait for readers: see heap.stable.
func (s *store) init(stable bool) {
	s.fence = asym.New()
	s.evacuator = make(chan struct{}, 1)
	s.caches.Init(func(int) *cache { return &cache{s: s} })
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
	s.depot.s, s.depot.pollAt = s, pollEvery
	s.heap.s, s.heap.stable = s, stable
	s.policy.s, s.policy.shrunk = s, s.dom.DeferredAdvance()
	s.budget.join(s)
}

// get returns a free object: from this processor's cache, or else from wherever there is one.
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
	done := c.retire(p)
	c.unpin()
	if !done {
		s.retireSlow(p)
	}
}

// getSlow is get when the cache has nothing: it loads the cache.
func (s *store) getSlow() (unsafe.Pointer, error) {
	m, err := s.takeOrGrow()
	if err != nil {
		return nil, err
	}
	return s.load(m), nil
}

// load takes an object from a magazine, and puts that into the cache of this processor, if
// there is room.
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

// freeSlow is free when there is no room: a full magazine goes to the depot.
func (s *store) freeSlow(p unsafe.Pointer) {
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
	s.uncached.frees.Add(1) // when all that is counted is where others find it
	if some {
		s.suggestTrim()
	}
}

// retireSlow is retire when there is no room: the full magazine waits in the depot. It
// may run in a pinned section, and so does not block.
func (s *store) retireSlow(p unsafe.Pointer) {
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
	c.unpin()
	s.depot.retire(m)
}

// takeOrGrow returns a magazine of free objects: from the depot or the slabs, from a
// new slab, from the other processors' caches, or after the other members of the budget
// gave back what they can.
func (s *store) takeOrGrow() (*magazine, error) {
	for {
		if m := s.take(false); m != nil {
			return m, nil
		}
		err := s.grow()
		if err == nil {
			continue
		}
		s.policy.trim(trimCaches)
		if m := s.take(true); m != nil {
			return m, nil
		}
		if s.budget.reclaim(s) && s.grow() == nil {
			continue
		}
		if m := s.take(true); m != nil { // others gave it back meanwhile
			return m, nil
		}
		return nil, err
	}
}

// take returns a magazine of free objects from the depot or the slabs, nil if there are
// none. With force it polls the readers even if few magazines wait for them.
func (s *store) take(force bool) *magazine {
	m, ready := s.depot.take(force)
	if ready {
		return m
	}
	if m.n > 0 { // its objects may be of a slab that is evacuated
		s.toHeap(m)
	}
	if s.heap.fill(m); m.n == 0 {
		s.depot.keepEmpty(m)
		return nil
	}
	return m
}

// keep puts a magazine that is in no other hands where it belongs, whatever is in it: in
// the depot, or its objects in their slabs.
func (s *store) keep(m *magazine) {
	if m.n > 0 {
		if s.depot.keep(m) {
			return
		}
		s.toHeap(m)
	}
	s.depot.keepEmpty(m)
}

// toHeap moves the objects of a magazine to their slabs, and gives to the system what the
// heap lets go for that.
func (s *store) toHeap(m *magazine) {
	released, surplus := s.heap.put(m)
	s.release(released)
	if surplus {
		s.depot.callTick()
	}
}

// release gives slabs that the heap let go to the system: at once if no reader can hold
// their objects, else after a grace period. Those that became empty first come first. A closed domain
// takes no call: then the heap has them again, for Close.
func (s *store) release(slabs []*slab) {
	unread := true
	for _, sl := range slabs {
		unread = unread && s.heap.unread(sl)
		switch {
		case unread:
			sl.release()
		case !smr.TryCall(s.dom, sl, int(s.slabSize), (*slab).release):
			s.heap.add(sl, nil)
		}
	}
}

// grow takes a slab from the system.
func (s *store) grow() error {
	bury()
	if err := s.budget.reserve(int64(s.slabSize)); err != nil {
		return fmt.Errorf("%s: %w", s.name, err)
	}
	return s.growBy(nil)
}

// growBy is grow by a slab whose bytes are taken from the budget already, where they go
// back if the system has no memory. It fills m with objects, if m is not nil.
func (s *store) growBy(m *magazine) error {
	sl, err := s.newSlab()
	if err != nil {
		s.budget.Release(int64(s.slabSize))
		return fmt.Errorf("%s: %w: %w", s.name, ErrNoMemory, err)
	}
	if surplus := s.heap.add(sl, m); surplus {
		s.depot.callTick()
	}
	return nil
}

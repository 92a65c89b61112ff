package pcpu

import (
	"math/bits"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// Slots holds one *T for each processor. It grows as processors appear and never shrinks; the T of
// a processor stays the same. Call [Slots.Init] first. Any number of goroutines may call the other
// methods at once, pinned or not: none blocks.
//
// Where [Exclusive] is false the slots are stripes: a fixed power of two, several for each
// processor and 256 at most, so that goroutines that run at once seldom meet.
type Slots[T any] struct {
	// arr is swapped by Grow and Seal, by compare-and-swap, and loaded by all. A published array
	// does not change, and holds all slots of the one before: goroutines with the old array and the
	// new one find the same slots.
	arr    satomic.Pointer[array[T]]
	create func(id int) *T
}

type array[T any] struct {
	live   []*T // indexed by id; nil once sealed
	all    []*T // every slot, live or not
	sealed bool
}

// stripesPerProc is how many stripes there are for each processor. Two goroutines that meet on a
// stripe keep meeting there, and pay for each other's cache misses (27 ns a section instead of 12).
// With 16, on two processors, one pair in 32 meets.
const (
	stripesPerProc = 16
	maxStripes     = 256 // each costs a scan a cache line or more
)

// Count returns how many slots [Slots.Grow] makes for procs processors.
func Count(procs int) int {
	if Exclusive {
		return procs
	}
	return min(1<<bits.Len(uint(procs*stripesPerProc-1)), maxStripes) // rounded up
}

// Init makes the slots ready, without creating any. create makes the slot of one processor. Several
// goroutines may call it at once, and drop what it made: it must have no other effect, and must not
// block.
func (s *Slots[T]) Init(create func(id int) *T) {
	s.create = create
	s.arr.Store(&array[T]{})
}

// At returns the slot of id, a result of [Pin]. If there is none it returns nil: call [Slots.Grow].
func (s *Slots[T]) At(id int) *T {
	live := s.arr.Load().live
	if !Exclusive {
		// len is a power of two or 0, and 0-1 masks nothing.
		id &= len(live) - 1
	}
	if uint(id) >= uint(len(live)) {
		return nil
	}
	return live[id]
}

// Grow makes slots for id and for every processor that GOMAXPROCS allows now, and returns that of
// id, or nil if the slots are sealed.
func (s *Slots[T]) Grow(id int) *T {
	for {
		old := s.arr.Load()
		if old.sealed {
			return nil
		}
		if slot := s.At(id); slot != nil {
			return slot
		}
		n := Count(sched.Procs())
		if Exclusive {
			n = max(n, id+1)
		}
		grown := make([]*T, n)
		for i := copy(grown, old.all); i < n; i++ {
			grown[i] = s.create(i)
		}
		s.arr.CompareAndSwap(old, &array[T]{live: grown, all: grown})
	}
}

// Seal makes every later At and Grow return nil. All still returns the slots. It reports whether
// this call sealed them.
func (s *Slots[T]) Seal() bool {
	for {
		old := s.arr.Load()
		if old.sealed {
			return false
		}
		if s.arr.CompareAndSwap(old, &array[T]{all: old.all, sealed: true}) {
			return true
		}
	}
}

// Sealed reports whether Seal was called.
func (s *Slots[T]) Sealed() bool { return s.arr.Load().sealed }

// All returns every slot, including those of processors that are gone. Do not change the slice.
func (s *Slots[T]) All() []*T { return s.arr.Load().all }

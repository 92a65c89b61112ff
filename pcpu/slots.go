package pcpu

import (
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
)

// Slots holds one *T per processor. It grows as processors appear (where they
// are known, see below) and never shrinks; the T of a processor stays where it
// is for good.
//
// All methods may be called by any number of goroutines at once, pinned or not:
// none of them blocks. The zero value is not ready for use: call [Slots.Init].
//
// Where [Exclusive] is false the slots are stripes rather than processors: a
// fixed power of two of them, several per processor and at most 256, so that
// goroutines that run at once seldom meet.
type Slots[T any] struct {
	// arr is written by compare-and-swap (grow, Seal), read by everybody. An
	// array is immutable once it is published, and each one holds all slots of
	// the one before, so a slot can't be lost between a reader of the old array
	// and a reader of the new one.
	arr    atomic.Pointer[array[T]]
	create func(id int) *T
}

type array[T any] struct {
	live   []*T // indexed by id; nil once sealed
	all    []*T // every slot there is
	sealed bool
}

// stripesPerProc is how many stripes there are per processor where a stripe is
// only a hint. Two goroutines that meet on one go on meeting there, and each pays
// for the other's cache misses (27 ns a section instead of 12); with 16, and two
// processors, two meet once in 32 times.
const (
	stripesPerProc = 16
	maxStripes     = 256 // each is a line or more for every scan to look at
)

// Count returns how many slots there are once all of procs processors have used
// theirs.
func Count(procs int) int {
	if Exclusive {
		return procs
	}
	return min(ceilPow2(procs*stripesPerProc), maxStripes)
}

// Init makes the slots ready, with none created so far. create makes the slot
// of one processor; it may be called by several goroutines at once and for an
// id whose slot is then dropped, so it must have no other effect, and must not
// block.
func (s *Slots[T]) Init(create func(id int) *T) {
	s.create = create
	s.arr.Store(&array[T]{})
}

// At returns the slot of id, a result of [Pin], or nil when there is none: grow
// with [Slots.Grow], which tells a sealed array from a short one.
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

// Grow makes slots for id and for every processor that GOMAXPROCS allows now,
// and returns the one of id. It returns nil once the slots are sealed.
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

// Seal makes every later At return nil and every later Grow fail. All still
// returns the slots. It reports whether this call was the one that sealed.
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

// All returns every slot, those of vanished processors included. The caller
// must not change the slice.
func (s *Slots[T]) All() []*T { return s.arr.Load().all }

func ceilPow2(n int) int {
	p := 1
	for p < n {
		p <<= 1
	}
	return p
}

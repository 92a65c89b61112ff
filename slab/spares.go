package slab

import (
	"slices"
	"unsafe"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pages"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// Spares are the memory that large blocks left, for the next ones: in a new mapping each page faults,
// which takes several times as long as filling it.
type spares struct {
	most satomic.Int64 // bytes; written by SetSpare

	size satomic.Int64 // of list, together; written with mu locked

	mu   ssync.Mutex // guards list
	list []spare     // the oldest first
}

type spare struct {
	p    unsafe.Pointer
	size uintptr
}

// keepsSpares: under -tags invariants a use of a freed block is to fault.
const keepsSpares = pages.Divisible && !invariants.Enabled

// SetSpare keeps up to n bytes of the memory that blocks above 64 KiB leave (large entries of smrmap.Bytes,
// too), for the next such blocks.
// They come on top of what is used, also beyond the limit, but are never more than that. By default
// none are kept. Where large blocks come and go, this saves most of the time that it takes to make one.
// Trim and Close of [Blocks] in the budget give all of it back to the system, and so do Blocks that are
// dropped. SetSpare panics if n is negative.
func (b *Budget) SetSpare(n int64) {
	if n < 0 {
		panic("slab: SetSpare of a negative size")
	}
	b.spares.most.Store(n)
	b.shrinkSpares()
}

// spareRoom returns how many bytes of spares there may be: no more than are used, so they go when that
// goes.
func (b *Budget) spareRoom() int64 {
	if b == nil || !keepsSpares {
		return 0
	}
	return min(b.spares.most.Load(), b.used.Load())
}

// freeLarge gives the memory of a large block back to the system, or makes it a spare.
func (b *Budget) freeLarge(p unsafe.Pointer, size uintptr) {
	if int64(size) > b.spareRoom() {
		pages.FreeLarge(p, size)
	} else {
		b.spares.put(p, size)
		b.shrinkSpares()
	}
}

// shrinkSpares gives back the spares that are too many. After put it loads most and used; SetSpare and
// Release, which lower these, shrink after that: one of the two sees what the other did.
func (b *Budget) shrinkSpares() {
	if b.spares.size.Load() > b.spareRoom() {
		b.spares.shrink(b.spareRoom())
	}
}

// dropSpares gives all spares back, and reports whether there were any.
func (b *Budget) dropSpares() bool { return b != nil && b.spares.shrink(0) }

// allocLarge returns memory for a large block, with undefined contents.
func (b *Budget) allocLarge(size uintptr) (unsafe.Pointer, error) {
	if b == nil || b.spares.most.Load() == 0 {
		return pages.AllocLarge(size)
	}
	if p := b.spares.take(size); p != nil {
		return p, nil
	}
	p, err := pages.AllocLarge(size)
	if err != nil && b.dropSpares() {
		p, err = pages.AllocLarge(size)
	}
	return p, err
}

func (s *spares) put(p unsafe.Pointer, size uintptr) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, spare{p, size})
	s.size.Add(int64(size))
}

// take returns memory of the smallest spare that is large enough, of which the rest stays, or nil.
func (s *spares) take(size uintptr) unsafe.Pointer {
	s.mu.Lock()
	defer s.mu.Unlock()
	best := -1
	for i, x := range s.list {
		if x.size >= size && (best < 0 || x.size < s.list[best].size) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	x := s.list[best]
	if x.size > size {
		s.list[best] = spare{unsafe.Add(x.p, size), x.size - size}
	} else {
		s.list = slices.Delete(s.list, best, best+1)
	}
	s.size.Add(-int64(size))
	return x.p
}

// shrink gives the oldest spares back to the system until there are no more than most bytes, and
// reports whether it gave any.
func (s *spares) shrink(most int64) (some bool) {
	for {
		x, ok := s.oldest(most)
		if !ok {
			return some
		}
		pages.FreeLarge(x.p, x.size)
		some = true
	}
}

// oldest takes the oldest spare out if there are more than most bytes.
func (s *spares) oldest(most int64) (x spare, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.size.Load() <= most {
		return x, false
	}
	x = s.list[0]
	s.list = slices.Delete(s.list, 0, 1)
	s.size.Add(-int64(x.size))
	return x, true
}

package slab

import (
	"context"
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/pages"
)

// checkCountsLocked checks that the heap's counts are those of its slabs.
func checkCountsLocked(t testing.TB, h *heap) {
	t.Helper()
	var reserved, emptyBytes, objects, free int64
	empty, sparse := 0, 0
	for _, sl := range h.slabs {
		if sl == nil {
			continue
		}
		reserved += int64(sl.opened)
		objects += int64(sl.n)
		free += int64(sl.nFree)
		if sl.nFree == sl.n && !sl.evacuated {
			empty++
			emptyBytes += int64(sl.opened)
		}
		if sl.opened < h.s.slabSize {
			sparse++
			require.Contains(t, h.sparse, sl)
		} else {
			require.Equal(t, h.s.perSlab, sl.n)
		}
	}
	require.Equal(t, reserved, h.reserved)
	require.Equal(t, emptyBytes, h.emptyBytes)
	require.Equal(t, objects, h.objects)
	require.Equal(t, objects-free, h.taken)
	require.Equal(t, empty, h.nEmpty)
	require.Len(t, h.sparse, sparse)
}

func checkCounts(t testing.TB, s *store) {
	t.Helper()
	s.heap.mu.Lock()
	defer s.heap.mu.Unlock()
	checkCountsLocked(t, &s.heap)
}

// newSparse returns a pool whose first slab opens a page or so at a time, also where that saves no memory.
func newSparse[T any](t testing.TB, o Options) *Pool[T] {
	p := New[T](newDomain(t), o)
	for p.s.step/2 >= firstObject+p.s.size && p.s.step > 4<<10 {
		p.s.step /= 2
	}
	return p
}

// The first slab opens as it is needed: the budget counts what is opened, up to the whole slab. The next one
// is whole, and so is what comes after it.
func TestOpen_FirstSlabStepByStep(t *testing.T) {
	t.Run("40", func(t *testing.T) { testOpen[[40]byte](t) })
	t.Run("4096", func(t *testing.T) { testOpen[page](t) })
	t.Run("65000", func(t *testing.T) { testOpen[[65000]byte](t) })
	t.Run("1", func(t *testing.T) { testOpen[byte](t) })
}

func testOpen[T any](t *testing.T) {
	b := NewBudget(0)
	p := newSparse[T](t, Options{Budget: b})
	s := p.s
	seen := make(map[unsafe.Pointer]bool)
	var all []unsafe.Pointer
	take := func() {
		require.Nil(t, s.take(false))
		require.NoError(t, s.grow())
		checkCounts(t, s)
		require.Equal(t, p.Stats().ReservedBytes, b.Used())
		for _, obj := range takeAll(s) {
			require.False(t, seen[obj])
			seen[obj] = true
			all = append(all, obj)
		}
	}
	for opened := s.step; opened <= s.slabSize; opened += s.step {
		take()
		require.EqualValues(t, opened, b.Used())
		require.Equal(t, 1, p.Stats().Slabs)
		for obj := range seen {
			require.LessOrEqual(t, uintptr(obj)&(s.slabSize-1)+s.size, opened)
		}
		require.Greater(t, uintptr(len(seen)+1)*s.size+firstObject, opened, "all that fit")
	}
	require.Len(t, seen, s.perSlab)
	require.Empty(t, s.heap.sparse)
	take()
	require.EqualValues(t, 2*s.slabSize, b.Used())
	require.Len(t, seen, 2*s.perSlab)
	putAll(s, all)
	p.Trim()
	settle(t, s.dom)
	require.Zero(t, b.Used())
	require.Zero(t, s.heap.objects)
	p.Free(get(t, p))
	require.EqualValues(t, s.step, b.Used(), "a pool that has become empty begins anew")
	closeEmpty(t, p)
	require.Zero(t, b.Used())
}

// A page that was opened after its slab had become empty, or had free objects again, is counted.
func TestOpen_OfWhatHasFreeObjects(t *testing.T) {
	p := newSparse[flat](t, Options{})
	s := p.s
	open := func() {
		t.Helper()
		require.True(t, s.heap.open(nil))
		checkCounts(t, s)
	}
	require.False(t, s.heap.open(nil), "there is no slab")
	obj := get(t, p)
	open()
	s.policy.trim(trimMagazines)
	checkCounts(t, s)
	open() // of a partial slab
	p.Free(obj)
	s.policy.trim(trimMagazines)
	checkCounts(t, s)
	require.Equal(t, 1, s.heap.counts().empty)
	open() // of an empty one
	all := takeAll(s)
	require.Len(t, all, s.heap.slabs[0].n, "all that was opened is given out")
	require.EqualValues(t, 4*s.step, p.Stats().ReservedBytes)
	checkCounts(t, s)
	putAll(s, all)
	closeEmpty(t, p)
}

// takeAll takes what is free out of the slabs, not by Get: a magazine may stay in another processor's
// cache.
func takeAll(s *store) (all []unsafe.Pointer) {
	for m := s.take(false); m != nil; m = s.take(false) {
		all = append(all, m.objs[:m.n]...)
	}
	return all
}

func putAll(s *store, all []unsafe.Pointer) {
	for _, obj := range all {
		m := new(magazine)
		m.push(obj)
		s.toHeap(m)
	}
}

// Processors share a page of a small pool.
func TestOpen_APageForSeveralProcessors(t *testing.T) {
	p := newSparse[flat](t, Options{})
	s := p.s
	require.NoError(t, s.grow())
	var all []unsafe.Pointer
	for range 4 {
		m := s.take(false)
		require.NotNil(t, m)
		all = append(all, m.objs[:m.n]...)
	}
	require.Equal(t, 4*(s.heap.slabs[0].n/4), len(all))
	for s.heap.open(nil) {
	}
	m := s.take(false)
	require.Equal(t, s.capacity, m.n, "a pool that is not small fills its magazines")
	putAll(s, append(all, m.objs[:m.n]...))
	closeEmpty(t, p)
}

// Two that find no slab both take one; each of them is opened to its end.
func TestOpen_TwoAtOnce(t *testing.T) {
	b := NewBudget(0)
	p := newSparse[page](t, Options{Budget: b})
	s := p.s
	for range 2 { // between growth and growBy of the one, all of the other
		require.NoError(t, b.reserve(int64(s.step)))
		require.NoError(t, s.growBy(s.step, nil))
	}
	checkCounts(t, s)
	require.Len(t, s.heap.sparse, 2)
	for s.heap.open(nil) {
		require.NoError(t, b.reserve(int64(s.step)))
	}
	all := takeAll(s)
	checkCounts(t, s)
	require.Len(t, all, 2*s.perSlab)
	require.EqualValues(t, 2*s.slabSize, b.Used())
	putAll(s, all)
	closeEmpty(t, p)
	require.Zero(t, b.Used())
}

// A Get that was to open the last step, which another has opened meanwhile, takes a slab, and
// what it had counted for the step goes back.
func TestOpen_OthersWereQuicker(t *testing.T) {
	b := NewBudget(0)
	p := newSparse[page](t, Options{Budget: b})
	s := p.s
	all := getAll(t, p, s.perSlab/2)
	size, fresh := s.heap.growth()
	require.EqualValues(t, s.step, size)
	require.False(t, fresh)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds(200) {
				if err := s.grow(); err != nil {
					t.Error(err)
				}
				s.policy.trim(trimUnread)
			}
		})
	}
	wg.Wait()
	checkCounts(t, s)
	require.Equal(t, p.Stats().ReservedBytes, b.Used())
	freeAll(p, all)
	closeEmpty(t, p)
	require.Zero(t, b.Used())
}

// A claim takes the next step of a slab, as a Get does; or where another has opened the last one, that of
// a new slab.
func TestClaim_OfAStep(t *testing.T) {
	for _, others := range []bool{false, true} {
		b := NewBlocks(newDomain(t), Options{Budget: NewBudget(0)})
		s := &b.classes[class(evacuated)]
		s.step = 8 << 10
		block, err := b.Get(evacuated)
		require.NoError(t, err)
		b.budget.SetLimit(b.budget.Used())
		all := takeAll(s)
		s.policy.trim(trimMagazines)
		all = append(all, takeAll(s)...)
		c, err := compactor{b}.Claim(watchdogContext(t), evacuated)
		require.NoError(t, err)
		require.EqualValues(t, s.step, c.Size())
		_, err = c.Get()
		require.ErrorIs(t, err, ErrNoMemory)
		b.budget.SetLimit(0)
		require.NoError(t, b.budget.Reserve(c.Size()))
		b.budget.Release(c.Size()) // the claim's
		for others && s.heap.open(nil) {
			require.NoError(t, b.budget.Reserve(int64(s.step)))
		}
		all = append(all, takeAll(s)...)
		b.budget.SetLimit(1)
		claimed, err := c.Get()
		require.NoError(t, err)
		c.End()
		checkCounts(t, s)
		require.Equal(t, b.budget.Used(), b.Stats().ReservedBytes)
		slabs := map[bool]int{false: 1, true: 2}
		require.Equal(t, slabs[others], b.Stats().Slabs)
		b.budget.SetLimit(0)
		b.Free(claimed)
		b.Free(block)
		putAll(s, all)
		require.NoError(t, b.Close(watchdogContext(t)))
		require.Zero(t, b.budget.Used())
	}
}

// A slab that is being evacuated does not open: its new objects would be given out. It gives back what was
// opened.
func TestOpen_NotWhileEvacuated(t *testing.T) {
	ctx := context.Background()
	b := NewBlocks(newDomain(t), Options{Budget: NewBudget(0)})
	s := &b.classes[class(evacuated)]
	if s.step = 4 << 10; !pages.Sparse {
		s.step = 8 << 10
	}
	block, err := b.Get(evacuated)
	require.NoError(t, err)
	s.policy.trim(trimMagazines)
	vacated := 0
	released, err := compactor{b}.Evacuate(ctx, -1, func(old []byte) {
		if unsafe.SliceData(old) != unsafe.SliceData(block) {
			return
		}
		vacated++
		require.Equal(t, []*slab{s.heap.slabs[0]}, s.heap.sparse)
		size, another := s.heap.growth()
		require.True(t, another)
		require.Equal(t, s.step, size, "as for a first one")
		fresh, err := b.Get(evacuated)
		require.NoError(t, err)
		require.NotEqual(t, uintptr(s.heap.slabs[0].base), uintptr(unsafe.Pointer(unsafe.SliceData(fresh)))&^(s.slabSize-1))
		b.Retire(block)
		block = fresh
	})
	require.NoError(t, err)
	require.Equal(t, 1, vacated)
	require.EqualValues(t, s.step, released)
	checkCounts(t, s)
	b.Free(block)
	require.NoError(t, b.Close(ctx))
	require.Zero(t, b.budget.Used())
}

// A claim empties as many slabs as it needs, also where each of them gives little.
func TestClaim_OfManySmallSlabs(t *testing.T) {
	if !pages.Sparse {
		t.Skip("slabs are whole")
	}
	limit := int64(96 << 10)
	b := NewBlocks(newDomain(t), Options{Budget: NewBudget(limit)})
	live := make(map[unsafe.Pointer][]byte)
	for c := 0; b.budget.Used() < limit; c++ { // a block of each size
		block, err := b.Get(classSize(c))
		require.NoError(t, err)
		live[unsafe.Pointer(unsafe.SliceData(block))] = block
	}
	ctx := watchdogContext(t)
	c, err := compactor{b}.Claim(ctx, 7000)
	require.NoError(t, err)
	_, err = c.Get()
	require.ErrorIs(t, err, ErrNoMemory)
	released, err := c.Evacuate(ctx, retirer(b, live))
	require.NoError(t, err)
	require.GreaterOrEqual(t, released, c.Size())
	require.Zero(t, c.Missing())
	block, err := c.Get()
	require.NoError(t, err)
	c.End()
	require.LessOrEqual(t, b.budget.Used(), limit)
	b.Free(block)
	for _, block := range live {
		b.Free(block)
	}
	require.NoError(t, b.Close(ctx))
}

package slab

import (
	"context"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// checkNumbers checks that slabs and the numbers that are free are told apart.
func checkNumbers(t testing.TB, s *store) {
	t.Helper()
	s.heap.mu.Lock()
	defer s.heap.mu.Unlock()
	isFree := make(map[uint32]bool)
	for _, n := range s.heap.freeNumbers {
		require.False(t, isFree[n], "number %d is free twice", n)
		require.Less(t, int(n), len(s.heap.slabs))
		isFree[n] = true
	}
	for n, sl := range s.heap.slabs {
		require.Equal(t, isFree[uint32(n)], sl == nil, "number %d", n)
		if sl != nil {
			require.EqualValues(t, n, sl.number)
		}
	}
	checkCountsLocked(t, &s.heap)
}

// The number of a slab that went back is another's, once; and what is in use keeps its
// own.
func TestHeap_NumbersAreReused(t *testing.T) {
	p := New[[4096]byte](newDomain(t), Options{})
	s := p.s
	objects := make(map[uint32][]unsafe.Pointer) // taken, by the number of their slab
	grow := func(n int) {
		for range n {
			growSlab(t, s)
		}
		checkNumbers(t, s)
		for m := s.take(false); m != nil; m = s.take(false) {
			for _, obj := range m.objs[:m.n] {
				sl, _ := s.heap.slabOfLocked(obj)
				require.True(t, s.heap.slabs[sl.number] == sl)
				objects[sl.number] = append(objects[sl.number], obj)
			}
			m.n = 0
			s.keep(m)
		}
		for number, objs := range objects {
			require.Len(t, objs, s.perSlab, "objects of slab %d", number)
		}
		require.Equal(t, len(objects), p.Stats().Slabs)
	}
	giveBack := func(number uint32) {
		for _, obj := range objects[number] {
			m := &magazine{n: 1}
			m.objs[0] = obj
			s.toHeap(m)
		}
		delete(objects, number)
		checkNumbers(t, s)
	}
	grow(5)
	for range 3 {
		giveBack(1)
		giveBack(3)
		s.policy.trim(trimAll)
		checkNumbers(t, s)
		require.Equal(t, 3, p.Stats().Slabs)
		require.ElementsMatch(t, []uint32{1, 3}, s.heap.freeNumbers)
		grow(2)
		require.Len(t, s.heap.slabs, 5, "a number that was free was not used")
	}
	for number := range uint32(5) {
		giveBack(number)
	}
	s.policy.trim(trimAll)
	checkNumbers(t, s)
	require.Len(t, s.heap.freeNumbers, 5)
	require.Zero(t, p.Stats().Slabs)
	closeEmpty(t, p)
}

// An object of a slab that was let go is of no pool, also while the slab is still there
// for readers, and when its number is another's.
func TestHeap_ReleasedIsForgotten(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	p := New[flat](d, Options{Budget: b})
	s := p.s
	leave := enter(t, d)
	old := get(t, p)
	sl, _ := s.heap.slabOfLocked(unsafe.Pointer(old))
	p.Free(old)
	p.Trim()
	require.Zero(t, p.Stats().Slabs)
	require.EqualValues(t, s.step, b.Used(), "the slab went back under a reader")
	require.Contains(t, panicText(t, func() { s.heap.slabOfLocked(unsafe.Pointer(old)) }), "is not of this pool")

	obj := get(t, p)
	again, _ := s.heap.slabOfLocked(unsafe.Pointer(obj))
	require.Equal(t, sl.number, again.number)
	require.False(t, again == sl)
	require.Contains(t, panicText(t, func() { s.heap.slabOfLocked(unsafe.Pointer(old)) }), "is not ")
	p.Free(obj)
	leave()
	closeEmpty(t, p)
	require.Zero(t, b.Used())
}

// A slab whose header was overwritten, if only in part, is not taken for one.
func TestHeap_OverrunIsNoticed(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	obj := get(t, p)
	sl, _ := p.s.heap.slabOfLocked(unsafe.Pointer(obj))
	head := (*header)(sl.base)
	head.magic++
	require.Contains(t, panicText(t, func() { p.s.heap.slabOfLocked(unsafe.Pointer(obj)) }), "its slab was overrun")
	head.magic--
	p.Free(obj)
	closeEmpty(t, p)
}

// A pointer into an object, or behind the last one, is not taken for one.
func TestHeap_InsideAnObject(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	obj := get(t, p)
	sl, i := p.s.heap.slabOfLocked(unsafe.Pointer(obj))
	require.Equal(t, unsafe.Pointer(obj), sl.object(i))
	for name, at := range map[string]unsafe.Pointer{"inside": unsafe.Add(unsafe.Pointer(obj), 8), "behind": sl.object(int(sl.n))} {
		require.Contains(t, panicText(t, func() { p.s.heap.slabOfLocked(at) }), "is not the start of an object", name)
	}
	p.Free(obj)
	closeEmpty(t, p)
}

// In a section, memory of a pool stays memory of that pool, whatever is freed.
func TestFree_SlabWaitsForReaders(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{KeepContents: true})
	s := d.Enter()
	lost := freeUnderReader(t, p, getAll(t, p, 10000))
	s.Leave()
	require.Zero(t, lost, "the slab went back under a reader")
	closeEmpty(t, p)
}

// The same for slabs that were whole before.
func TestFree_SlabThatWasEmptyWaitsForReaders(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{KeepContents: true})
	freeAll(p, getAll(t, p, 10000))
	all := getAll(t, p, 10000)
	s := d.Enter()
	lost := freeUnderReader(t, p, all)
	s.Leave()
	require.Zero(t, lost, "the slab went back under a reader")
	closeEmpty(t, p)
}

// freeUnderReader frees all objects of a pool, looks at them as a reader may whose section is
// open, and returns how many of them are not what they were.
func freeUnderReader(t *testing.T, p *Pool[flat], all []*flat) (lost int) {
	t.Helper()
	for _, obj := range all {
		obj.key = 42
	}
	freeAll(p, all)
	p.Trim()
	require.Zero(t, p.Stats().ReservedBytes)
	for _, obj := range all {
		if obj.key != 42 {
			lost++
		}
	}
	return lost
}

// A domain whose Close has begun may have readers: slabs of objects that were freed, rather
// than retired, stay until they have left.
func TestFree_SlabWaitsForReadersOfClosingDomain(t *testing.T) {
	d, err := smr.New(smr.Options{})
	require.NoError(t, err)
	p := New[page](d, Options{})
	all := getAll(t, p, 200)
	for _, obj := range all {
		obj[0] = 7
	}
	p.Trim()
	s := testkit.Enter(d)
	over, cancel := context.WithCancel(context.Background())
	cancel()
	require.Error(t, d.Close(over))
	freeAll(p, all)
	p.Trim()
	require.GreaterOrEqual(t, p.Stats().ReservedBytes, int64(len(all)*len(page{})))
	if invariantsOff := p.s.check.leaks() == ""; invariantsOff && p.OffHeap() {
		for _, obj := range all {
			_ = obj[0] // does not fault
		}
	}
	s.Leave()
	closeEmpty(t, p)
}

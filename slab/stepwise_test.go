package slab

// What only chance could have found: stores, magazines and tickets, driven by hand one
// step at a time. No callback of the domain runs in most of these tests: a ticket that
// stamp returned is the test's to be called back.

import (
	"sync"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// enter opens a section, which is left at the latest when the test ends: or the domain
// would wait for it where a test failed.
func enter(t testing.TB, d *smr.Domain) (leave func()) {
	leave = sync.OnceFunc(d.Enter().Leave)
	t.Cleanup(leave)
	return leave
}

// magazines returns magazines of objects that somebody got and retired. They are from a
// slab of their own, and not stamped yet.
func magazines(t testing.TB, s *store, n int) []*magazine {
	require.LessOrEqual(t, n*s.capacity, s.perSlab)
	require.NoError(t, s.grow())
	all := make([]*magazine, n)
	for i := range all {
		all[i] = s.take(false)
		require.Equal(t, s.capacity, all[i].n)
		getAndRetire(s, all[i])
	}
	return all
}

// getAndRetire gives out all objects of a magazine, and takes them back as retired.
func getAndRetire(s *store, m *magazine) {
	for _, p := range m.objs[:m.n] {
		s.check.got(p)
		s.check.retired(p)
	}
	s.alone.gets.Add(uint64(m.n))
	s.alone.retires.Add(uint64(m.n))
}

// takeReached takes the oldest magazine that waits, if it need not any more.
func takeReached(s *store) *magazine {
	s.mu.Lock()
	defer s.unlock()
	return s.takeReachedLocked(true)
}

func waiting(s *store) int {
	s.mu.Lock()
	defer s.unlock()
	return s.waiting.n
}

// A goal stands for what was retired before it, not after: that the oldest magazine's
// is reached says nothing of a reader who came between it and the newest.
func TestTake_ReaderBetweenOldestAndNewest(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 3)
	oldest := s.stamp(all[0])
	d.Advance()
	leave := enter(t, d)
	tickets := []*ticket{oldest, s.stamp(all[1]), s.stamp(all[2])}
	require.True(t, d.Poll(all[0].goal), "the reader came after the oldest's goal")

	var taken []*magazine
	for m := takeReached(s); m != nil; m = takeReached(s) {
		taken = append(taken, m)
		require.True(t, m == all[0], "taken under a reader")
	}
	leave()
	for m := takeReached(s); m != nil; m = takeReached(s) {
		taken = append(taken, m)
	}
	require.Len(t, taken, 3)
	for i, m := range taken {
		require.True(t, m == all[i], "not the oldest first")
		s.keep(m)
		tickets[i].ready()
	}
	closeEmpty(t, p)
}

// The goal is of the moment of stamping: readers who are there have not reached it,
// whatever they have reached that was stamped before.
func TestStamp_GoalIsAheadOfReaders(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 4)
	var tickets []*ticket
	var leaves []func()
	for i, m := range all {
		d.Advance()
		leaves = append(leaves, enter(t, d))
		tickets = append(tickets, s.stamp(m))
		d.Commit(m.goal)
		require.False(t, d.Poll(m.goal), "magazine %d: reached at once", i)
		if i > 0 {
			require.True(t, all[i-1].goal.Before(m.goal), "magazine %d: the goal of the one before", i)
		}
		require.Nil(t, takeReached(s))
	}
	// Each waits for the readers who came before it, and for them only.
	for i, leave := range leaves {
		leave()
		for j, m := range all {
			require.Equal(t, j <= i, d.Poll(m.goal), "magazine %d, after reader %d left", j, i)
		}
	}
	for _, ticket := range tickets {
		ticket.ready()
	}
	closeEmpty(t, p)
}

// A magazine that is used again waits again: neither its last goal counts, nor that it
// was reached.
func TestStamp_MagazineUsedAgain(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 2)
	tickets := []*ticket{s.stamp(all[0]), s.stamp(all[1])}
	// Both are found to be reached in one look: one by Poll, one by its mark.
	for i, m := range all {
		require.True(t, takeReached(s) == m)
		tickets[i].ready()
	}
	leave := enter(t, d)
	for i, m := range all {
		getAndRetire(s, m)
		tickets[i] = s.stamp(m)
		require.Nil(t, takeReached(s), "magazine %d taken under a reader", i)
	}
	leave()
	for i, m := range all {
		require.True(t, takeReached(s) == m)
		s.keep(m)
		tickets[i].ready()
	}
	closeEmpty(t, p)
}

// The same where the domain's callback made the magazine ready, after a look at the
// readers had marked it.
func TestStamp_MagazineUsedAgainAfterCallback(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 2)
	first, second := s.stamp(all[0]), s.stamp(all[1])
	require.True(t, takeReached(s) == all[0]) // and the other is marked
	second.ready()
	m := s.take(false)
	require.True(t, m == all[1], "not in the depot")

	leave := enter(t, d)
	getAndRetire(s, m)
	second = s.stamp(m)
	require.Nil(t, takeReached(s), "taken under a reader")
	leave()
	s.keep(all[0])
	first.ready()
	second.ready()
	closeEmpty(t, p)
}

// What was stamped after the look at the readers is not marked by it.
func TestTake_StampedAfterTheLook(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 3)
	tickets := []*ticket{s.stamp(all[0]), s.stamp(all[1])}
	require.True(t, takeReached(s) == all[0])
	leave := enter(t, d)
	tickets = append(tickets, s.stamp(all[2]))
	require.True(t, takeReached(s) == all[1], "it was reached before")
	require.Nil(t, takeReached(s), "taken under a reader")
	leave()
	require.True(t, takeReached(s) == all[2])
	for i, m := range all {
		s.keep(m)
		tickets[i].ready()
	}
	closeEmpty(t, p)
}

// The domain's callback leaves a magazine alone that somebody has taken meanwhile: its
// objects are in use again.
func TestTicket_MagazineWasTaken(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	m := magazines(t, s, 1)[0]
	ticket := s.stamp(m)
	require.True(t, takeReached(s) == m)
	require.Nil(t, m.ticket)
	reused := s.reused.Load()
	require.EqualValues(t, m.n, reused)

	require.False(t, ticket.readyLocking(), "objects were made free twice")
	require.Equal(t, reused, s.reused.Load())
	require.Zero(t, waiting(s))
	require.Zero(t, s.nFull, "the magazine is another's, and in the depot")
	require.Equal(t, s.capacity, m.n)

	getAndRetire(s, m)
	require.True(t, s.stamp(m) == ticket, "the ticket was lost")
	ticket.ready()
	closeEmpty(t, p)
}

// The same by way of Get: what it finds in a magazine that the domain has yet to call
// back for is given out once.
func TestTicket_ObjectsAreGivenOutOnce(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	m := magazines(t, s, 1)[0]
	ticket := s.stamp(m)
	require.True(t, takeReached(s) == m)
	s.keep(m)
	seen := make(map[*flat]bool)
	getOne := func() {
		obj := get(t, p)
		require.False(t, seen[obj], "given out twice")
		seen[obj] = true
	}
	getOne()
	ticket.ready()
	for range 2 * s.perSlab {
		getOne()
	}
	for obj := range seen {
		p.Free(obj)
	}
	closeEmpty(t, p)
}

// A ticket is for one magazine until the domain has called back, also if the magazine
// was taken before.
func TestTicket_NotReusedBeforeCallback(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 2)
	first := s.stamp(all[0])
	require.True(t, takeReached(s) == all[0])
	leave := enter(t, d)
	second := s.stamp(all[1])
	require.False(t, first == second, "the ticket is still with the domain")
	require.False(t, first.readyLocking())
	require.Equal(t, 1, waiting(s), "the callback for one magazine made another ready")

	leave()
	require.True(t, second.readyLocking())
	require.Zero(t, waiting(s))
	s.keep(all[0])
	closeEmpty(t, p)
}

// No two magazines that wait share a ticket, and none is lost, however they come back.
func TestTicket_OneForEachMagazine(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 5)
	out := make(map[*ticket]*magazine)
	made := make(map[*ticket]bool)
	stamp := func(m *magazine) *ticket {
		ticket := s.stamp(m)
		require.Nil(t, out[ticket], "the ticket is another magazine's")
		require.True(t, ticket.m == m)
		out[ticket], made[ticket] = m, true
		return ticket
	}
	ready := func(ticket *ticket) {
		m := out[ticket]
		delete(out, ticket)
		require.True(t, ticket.readyLocking(), "the callback found no magazine")
		require.True(t, s.take(false) == m, "the callback was for another magazine")
		getAndRetire(s, m)
	}
	for order := range permutations(3) {
		var tickets []*ticket
		for _, m := range all[:3] {
			tickets = append(tickets, stamp(m))
		}
		// One comes back and is used while the others are out.
		ready(tickets[order[0]])
		tickets[order[0]] = stamp(all[order[0]])
		other := stamp(all[3])
		ready(tickets[order[1]])
		tickets[order[1]] = stamp(all[4])
		for _, i := range order {
			ready(tickets[i])
		}
		ready(other)
	}
	require.Empty(t, out)
	require.Len(t, made, 4, "tickets were made although there were some")
	for _, m := range all {
		ticket := s.stamp(m)
		ticket.ready()
	}
	closeEmpty(t, p)
}

// permutations yields the orders of 0 to n-1.
func permutations(n int) func(yield func([]int) bool) {
	return func(yield func([]int) bool) {
		order := make([]int, 0, n)
		var rest func() bool
		rest = func() bool {
			if len(order) == n {
				return yield(order)
			}
			for i := range n {
				used := false
				for _, j := range order {
					used = used || i == j
				}
				if used {
					continue
				}
				order = append(order, i)
				if !rest() {
					return false
				}
				order = order[:len(order)-1]
			}
			return true
		}
		rest()
	}
}

// Whichever is removed, the list is the same from both ends, and takes more.
func TestWaitList_RemoveAnywhere(t *testing.T) {
	var l waitList
	check := func(want []*magazine) {
		t.Helper()
		require.Equal(t, len(want), l.n)
		m := l.oldest
		for i := range want {
			require.True(t, m == want[i], "element %d from the oldest", i)
			m = m.next
		}
		require.Nil(t, m, "more than there should be")
		m = l.newest
		for i := range want {
			require.True(t, m == want[len(want)-1-i], "element %d from the newest", i)
			m = m.prev
		}
		require.Nil(t, m, "more than there should be")
	}
	remove := func(list []*magazine, m *magazine) (rest []*magazine) {
		l.remove(m)
		require.Nil(t, m.prev)
		require.Nil(t, m.next)
		for _, other := range list {
			if other != m {
				rest = append(rest, other)
			}
		}
		return rest
	}
	for n := range 5 {
		for order := range permutations(n) {
			for again := range n + 1 { // how many are removed before one is pushed again
				all := make([]*magazine, n)
				var want []*magazine
				for i := range all {
					all[i] = new(magazine)
					l.push(all[i])
					want = append(want, all[i])
					check(want)
				}
				for k, i := range order {
					if k == again {
						first := all[order[0]]
						if k == 0 {
							first = new(magazine)
							all = append(all, first)
						}
						l.push(first)
						want = append(want, first)
						check(want)
					}
					want = remove(want, all[i])
					check(want)
				}
				for len(want) > 0 {
					want = remove(want, want[0])
					check(want)
				}
			}
		}
	}
}

// Callbacks come in any order: the magazines that still wait are found all the same.
func TestWaiting_CallbacksInAnyOrder(t *testing.T) {
	d := newDomain(t)
	for order := range permutations(4) {
		for n := range 4 { // how many callbacks come; the others are taken
			p := New[flat](d, Options{})
			s := p.s
			all := magazines(t, s, 4)
			var tickets []*ticket
			for _, m := range all {
				tickets = append(tickets, s.stamp(m))
			}
			for _, i := range order[:n] {
				require.True(t, tickets[i].readyLocking())
			}
			for i := range all {
				if tickets[i].m == nil {
					continue
				}
				m := takeReached(s)
				require.True(t, m == all[i], "order %v, %d callbacks: magazine %d was not found", order, n, i)
				s.keep(m)
			}
			require.Nil(t, takeReached(s))
			require.Zero(t, waiting(s))
			closeEmpty(t, p)
		}
	}
}

// checkNumbers checks that slabs and the numbers that are free are told apart.
func checkNumbers(t testing.TB, s *store) {
	t.Helper()
	s.mu.Lock()
	defer s.unlock()
	isHole := make(map[uint32]bool)
	for _, n := range s.holes {
		require.False(t, isHole[n], "number %d is free twice", n)
		require.Less(t, int(n), len(s.slabs))
		isHole[n] = true
	}
	for n, sl := range s.slabs {
		require.Equal(t, isHole[uint32(n)], sl == nil, "number %d", n)
		if sl != nil {
			require.EqualValues(t, n, sl.number)
		}
	}
	require.EqualValues(t, uintptr(len(s.slabs)-len(s.holes))*s.slabSize, s.reserved)
}

// The number of a slab that went back is another's, once; and what is in use keeps its
// own.
func TestSlabs_NumbersAreReused(t *testing.T) {
	p := New[[4096]byte](newDomain(t), Options{})
	s := p.s
	objects := make(map[uint32][]unsafe.Pointer) // taken, by the number of their slab
	grow := func(n int) {
		for range n {
			require.NoError(t, s.grow())
		}
		checkNumbers(t, s)
		for m := s.take(false); m != nil; m = s.take(false) {
			for _, obj := range m.objs[:m.n] {
				sl, _ := s.slabOf(obj)
				require.True(t, s.slabs[sl.number] == sl)
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
			s.mu.Lock()
			s.putLocked(obj)
			s.unlock()
		}
		delete(objects, number)
		checkNumbers(t, s)
	}
	grow(5)
	for range 3 {
		giveBack(1)
		giveBack(3)
		s.trim()
		checkNumbers(t, s)
		require.Equal(t, 3, p.Stats().Slabs)
		require.ElementsMatch(t, []uint32{1, 3}, s.holes)
		grow(2)
		require.Len(t, s.slabs, 5, "a number that was free was not used")
	}
	for number := range uint32(5) {
		giveBack(number)
	}
	s.trim()
	checkNumbers(t, s)
	require.Len(t, s.holes, 5)
	require.Zero(t, p.Stats().Slabs)
	closeEmpty(t, p)
}

// An object of a slab that was dropped is nobody's, also while the slab is still there
// for readers, and when its number is another's.
func TestSlabs_DroppedIsForgotten(t *testing.T) {
	d := newDomain(t)
	b := NewBudget(0)
	p := New[flat](d, Options{Budget: b})
	s := p.s
	leave := enter(t, d)
	old := get(t, p)
	sl, _ := s.slabOf(unsafe.Pointer(old))
	p.Free(old)
	p.Flush()
	require.Zero(t, p.Stats().Slabs)
	require.EqualValues(t, s.slabSize, b.Used(), "the slab went back under a reader")
	require.Contains(t, panicText(t, func() { s.slabOf(unsafe.Pointer(old)) }), "is not of this pool")

	obj := get(t, p)
	again, _ := s.slabOf(unsafe.Pointer(obj))
	require.Equal(t, sl.number, again.number)
	require.False(t, again == sl)
	require.Contains(t, panicText(t, func() { s.slabOf(unsafe.Pointer(old)) }), "is not ")
	p.Free(obj)
	leave()
	closeEmpty(t, p)
	require.Zero(t, b.Used())
}

// What goes by no cache is counted. It does where the caches are sealed, here by hand:
// Get comes as far when Close begins beside it. (In a portable build, also where somebody
// else is at the cache.)
func TestStats_WithoutCaches(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	leave := enter(t, d)
	require.True(t, s.caches.Seal())
	var all []*flat
	for i := range 10 {
		all = append(all, get(t, p))
		require.EqualValues(t, i+1, p.Stats().Gets)
	}
	given := s.givenBack()
	for i, obj := range all[:4] {
		p.Free(obj)
		require.EqualValues(t, i+1, p.Stats().Frees)
	}
	require.Equal(t, given+4, s.givenBack())
	for i, obj := range all[4:7] {
		p.Retire(obj)
		require.EqualValues(t, i+1, p.Stats().Retires)
	}
	require.Equal(t, given+7, s.givenBack())
	st := p.Stats()
	require.EqualValues(t, 10, st.Gets)
	require.EqualValues(t, 4, st.Frees)
	require.EqualValues(t, 3, st.InUse)
	require.EqualValues(t, 3, st.Pending)
	require.EqualValues(t, 3*s.size, st.InUseBytes)
	require.EqualValues(t, 3*s.size, st.PendingBytes)

	leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, p.Stats().Pending)
	require.Equal(t, given+10, s.givenBack())
	for _, obj := range all[7:] {
		p.Free(obj)
	}
	closeEmpty(t, p)
}

// What is given back after Close complained is counted too.
func TestStats_GivenBackAfterClose(t *testing.T) {
	p := New[flat](newDomain(t), Options{})
	freed, retired := get(t, p), get(t, p)
	require.ErrorContains(t, p.Close(watchdogContext(t)), "2 objects were not given back")
	p.Free(freed)
	p.Retire(retired)
	st := p.Stats()
	require.EqualValues(t, 2, st.Gets)
	require.EqualValues(t, 1, st.Frees)
	require.EqualValues(t, 1, st.Retires)
	require.Zero(t, st.InUse)
	closeEmpty(t, p)
}

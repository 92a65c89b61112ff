package slab

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/smr"
)

// newStill returns a domain in which no callback runs before a Barrier, a Flush or Close: so
// a test can take a depot from one state to the next by hand.
func newStill(t testing.TB) *smr.Domain {
	d, err := smr.New(smr.Options{
		Name: t.Name(), CheckIn: time.Hour, MaxDelay: 3 * time.Hour,
		ChunkCalls: 1 << 16, ChunkBytes: 1 << 30, MaxPending: 1 << 30, // or a full chunk runs
	})
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, d.Close(context.Background())) })
	return d
}

// magazines returns magazines of retired objects, from a slab of their own. They do not wait
// yet.
func magazines(t testing.TB, s *store, n int) []*magazine {
	require.LessOrEqual(t, n*s.capacity, s.perSlab)
	growSlab(t, s)
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
	s.uncached.gets.Add(uint64(m.n))
	s.uncached.retires.Add(uint64(m.n))
}

// takeReadied takes the magazines that become full when a call of reached comes, or when a
// Get polls the readers.
func takeReadied(s *store, reached bool) (all []*magazine) {
	if reached {
		s.depot.ready()
	} else {
		s.depot.mu.Lock()
		s.depot.pollLocked(true)
		s.depot.mu.Unlock()
	}
	for m := s.depot.takeExcess(true); m != nil; m = s.depot.takeExcess(true) {
		all = append(all, m)
	}
	return all
}

func keepAll(s *store, all []*magazine) {
	for _, m := range all {
		s.keep(m)
	}
}

func nWaiting(s *store) int {
	s.depot.mu.Lock()
	defer s.depot.mu.Unlock()
	s.depot.arriveLocked()
	return s.depot.waiting.n
}

// forBoth runs a test for a Get that polls the readers, and for a call of reached.
func forBoth(t *testing.T, test func(t *testing.T, d *smr.Domain, p *Pool[flat], reached bool)) {
	for name, reached := range map[string]bool{"poll": false, "reached": true} {
		t.Run(name, func(t *testing.T) {
			d := newStill(t)
			p := New[flat](d, Options{})
			test(t, d, p, reached)
			closeEmpty(t, p)
		})
	}
}

// When the call that brought a magazine's bytes has run, the magazine is full.
func TestDepot_FullWhenItsBytesAreOffTheAccount(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 3)
	s.depot.retire(all[0])
	s.depot.retire(all[1])
	require.Equal(t, all[0].goal, all[1].goal)
	s.reached()
	require.Equal(t, 2, nWaiting(s), "readers may hold them")
	d.Commit(all[0].goal)
	require.True(t, d.Poll(all[0].goal))
	leave := enter(t, d)
	s.depot.retire(all[2])
	s.reached()
	require.Equal(t, 1, nWaiting(s))
	leave()
	closeEmpty(t, p)
}

// Magazines for which the lock was taken wait with the others as soon as it is free again.
func TestDepot_ArrivedDoNotPileUp(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 2)
	s.depot.mu.Lock()
	s.depot.retire(all[0])
	s.depot.mu.Unlock()
	s.depot.retire(all[1])
	require.Nil(t, s.depot.arrived.Load())
	require.Equal(t, 2, nWaiting(s))
	closeEmpty(t, p)
}

// That readers have reached the oldest magazine's goal says nothing of one that came between
// it and the newest.
func TestDepot_ReaderBetweenOldestAndNewest(t *testing.T) {
	forBoth(t, func(t *testing.T, d *smr.Domain, p *Pool[flat], reached bool) {
		s := p.s
		all := magazines(t, s, 3)
		s.depot.retire(all[0])
		d.Advance()
		leave := enter(t, d)
		s.depot.retire(all[1])
		s.depot.retire(all[2])
		d.Advance()
		require.True(t, d.Poll(all[0].goal), "the reader came after the oldest's goal")
		readied := takeReadied(s, reached)
		if reached {
			require.Equal(t, all[:1], readied)
		} else {
			require.Empty(t, readied, "a poll is for all")
		}
		leave()
		readied = append(readied, takeReadied(s, reached)...)
		require.ElementsMatch(t, all, readied)
		keepAll(s, readied)
	})
}

// A goal is of the moment of retirement: a magazine waits for the readers that came before,
// and for them only.
func TestDepot_GoalIsAheadOfReaders(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 4)
	var leaves []func()
	for i, m := range all {
		d.Advance()
		leaves = append(leaves, enter(t, d))
		s.depot.retire(m)
		d.Commit(m.goal)
		require.False(t, d.Poll(m.goal), "magazine %d: reached at once", i)
		if i > 0 {
			require.True(t, all[i-1].goal.Before(m.goal), "magazine %d: the goal of the one before", i)
		}
		require.Empty(t, takeReadied(s, false))
		require.Empty(t, takeReadied(s, true))
	}
	for i, leave := range leaves {
		leave()
		readied := takeReadied(s, true)
		require.Len(t, readied, 1, "after reader %d left", i)
		require.True(t, readied[0] == all[i], "after reader %d left", i)
	}
	keepAll(s, all)
	closeEmpty(t, p)
}

// A magazine that is used again waits again, whatever became of it the time before.
func TestDepot_MagazineUsedAgain(t *testing.T) {
	forBoth(t, func(t *testing.T, d *smr.Domain, p *Pool[flat], reached bool) {
		s := p.s
		all := magazines(t, s, 2)
		for range 3 {
			leave := enter(t, d)
			for _, m := range all {
				s.depot.retire(m)
			}
			d.Advance()
			require.Empty(t, takeReadied(s, reached), "readied under a reader")
			leave()
			require.ElementsMatch(t, all, takeReadied(s, reached))
			for _, m := range all {
				getAndRetire(s, m)
			}
		}
		for _, m := range all {
			s.depot.retire(m)
		}
	})
}

// A call of reached leaves objects alone that a Get has found meanwhile: they are in use again.
func TestReached_AfterMagazineWasTaken(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	m := magazines(t, s, 1)[0]
	s.depot.retire(m)
	require.Len(t, takeReadied(s, false), 1)
	require.EqualValues(t, m.n, s.readied.Load())
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.EqualValues(t, m.n, s.readied.Load(), "objects were made free twice")
	require.Zero(t, s.depot.full.n, "the magazine is another's, and in the depot")
	require.Equal(t, s.capacity, m.n)
	s.keep(m)

	seen := make(map[*flat]bool)
	for range 2 * s.perSlab {
		obj := get(t, p)
		require.False(t, seen[obj], "given out twice")
		seen[obj] = true
	}
	for obj := range seen {
		p.Free(obj)
	}
	closeEmpty(t, p)
}

// After Barrier all is free whose magazine was retired before, whichever call was on its way.
func TestReached_BarrierCoversWhatWasRetired(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 4)
	leave := enter(t, d)
	s.depot.retire(all[0])
	s.depot.retire(all[1]) // with the same goal
	d.Flush()
	s.depot.retire(all[2]) // the calls of the others may be on their way
	d.Advance()
	s.depot.retire(all[3]) // the clock has moved
	require.EqualValues(t, 4*s.capacity, p.Stats().Pending)
	leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, p.Stats().Pending)
	closeEmpty(t, p)
}

// A full depot gives what becomes free to the slabs.
func TestReached_KeepsNoMoreThanUsual(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	leave := enter(t, d)
	all := getAll(t, p, 200*s.capacity)
	for _, obj := range all {
		p.Retire(obj)
	}
	leave()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	s.depot.mu.Lock()
	n, most := s.depot.full.n, s.depot.mostFullLocked()
	s.depot.mu.Unlock()
	require.LessOrEqual(t, n, most)
	closeEmpty(t, p)
}

// Throttle counts what waits for readers in full magazines.
func TestRetire_ThrottleCountsBytes(t *testing.T) {
	const limit = 4 << 20
	d, err := smr.New(smr.Options{Name: t.Name(), MaxPending: limit})
	require.NoError(t, err)
	p := New[page](d, Options{})
	all := getAll(t, p, 2*limit/len(page{}))
	leave := enter(t, d)
	for _, obj := range all {
		p.Retire(obj)
	}
	full := len(all) / p.s.capacity * p.s.capacity
	require.GreaterOrEqual(t, d.Stats().PendingBytes, int64((full-p.s.capacity*len(p.s.caches.All()))*len(page{})))
	done := make(chan error)
	go func() {
		over, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
		defer cancel()
		done <- d.Throttle(over)
	}()
	require.ErrorIs(t, <-done, context.DeadlineExceeded, "under a reader")
	leave()
	require.NoError(t, d.Throttle(watchdogContext(t)))
	closeEmpty(t, p)
	require.NoError(t, d.Close(watchdogContext(t)))
	require.Zero(t, d.Stats().PendingBytes)
}

// Magazines that arrive while the lock is taken wait in the order of their goals; none is
// readied under a reader.
func TestDepot_ArrivedWaitForReaders(t *testing.T) {
	forBoth(t, func(t *testing.T, d *smr.Domain, p *Pool[flat], reached bool) {
		s := p.s
		all := magazines(t, s, 3)
		s.depot.mu.Lock()
		s.depot.retire(all[0])
		d.Advance()
		leave := enter(t, d) // after the first was retired, before the second was
		s.depot.retire(all[1])
		s.depot.mu.Unlock()
		d.Advance()
		s.depot.retire(all[2])
		d.Advance()
		readied := takeReadied(s, reached)
		if reached {
			require.Equal(t, all[:1], readied)
		} else {
			require.Empty(t, readied)
		}
		leave()
		readied = append(readied, takeReadied(s, reached)...)
		require.ElementsMatch(t, all, readied)
		require.Zero(t, nWaiting(s))
		keepAll(s, readied)
	})
}

// A call of reached finds its magazine also where it has only arrived.
func TestReached_MagazineThatArrived(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	s.depot.mu.Lock()
	for _, m := range magazinesLocked(t, s, 3) {
		s.depot.retire(m)
		d.Advance()
	}
	s.depot.mu.Unlock()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	require.Zero(t, p.Stats().Pending)
	require.Zero(t, nWaiting(s))
	closeEmpty(t, p)
}

// magazinesLocked is magazines with the depot's lock held.
func magazinesLocked(t testing.TB, s *store, n int) []*magazine {
	s.depot.mu.Unlock()
	defer s.depot.mu.Lock()
	return magazines(t, s, n)
}

// A Get that has polled the readers in vain leaves them alone until some more magazines wait.
func TestDepot_PollsForSomeMore(t *testing.T) {
	d := newStill(t)
	p := New[flat](d, Options{})
	s := p.s
	leave := enter(t, d)
	for i, m := range append(magazines(t, s, pollEvery), magazines(t, s, pollEvery)...) {
		s.depot.retire(m)
		s.depot.mu.Lock()
		s.depot.pollLocked(false)
		pollAt := s.depot.pollAt
		s.depot.mu.Unlock()
		require.Equal(t, ((i+1)/pollEvery+1)*pollEvery, pollAt)
	}
	leave()
	closeEmpty(t, p)
}

// How many magazines must wait for the next poll goes down again when fewer wait.
func TestDepot_PollAtComesDown(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := d.Enter()
	for range rounds(200_000) {
		p.Retire(get(t, p))
	}
	s.Leave()
	p.Trim()
	require.NoError(t, d.Barrier(watchdogContext(t)))
	p.s.depot.mu.Lock()
	waiting, pollAt := p.s.depot.waiting.n, p.s.depot.pollAt
	p.s.depot.mu.Unlock()
	require.LessOrEqual(t, pollAt, waiting+pollEvery)
	closeEmpty(t, p)
}

// Retiring does not block in a pinned section, where the process would end, whoever has the
// pool's lock; and what was retired comes back.
func TestRetire_InPinnedSection(t *testing.T) {
	self.InChild(t, func() string {
		d := newDomain(t)
		p := New[flat](d, Options{})
		all := getAll(t, p, 5*p.s.capacity+1)
		p.s.depot.mu.Lock()
		s := d.Pin()
		for _, obj := range all {
			p.Retire(obj)
		}
		s.Leave()
		p.s.depot.mu.Unlock()
		require.EqualValues(t, len(all), p.Stats().Pending)
		p.Trim()
		require.NoError(t, d.Barrier(watchdogContext(t)))
		st := p.Stats()
		require.Zero(t, st.Pending)
		require.Zero(t, st.InUse)
		closeEmpty(t, p)
		return ""
	})
}

// Goroutines that retire in pinned sections, and others that keep the lock busy: nothing is
// lost, and nothing given out twice.
func TestRetire_InPinnedSections(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	p.s.capacity = 4
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for range rounds(3000) {
				var all [10]*flat
				for i := range all {
					obj, err := p.Get()
					if err != nil {
						t.Error(err)
						return
					}
					obj.key = uint64(g)
					all[i] = obj
				}
				mine := true
				s := d.Pin()
				for _, obj := range all {
					mine = mine && obj.key == uint64(g)
					p.Retire(obj)
				}
				s.Leave()
				if !mine {
					t.Error("an object has two holders")
				}
			}
		})
	}
	wg.Wait()
	closeEmpty(t, p)
}

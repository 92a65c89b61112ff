package slab

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
)

// Retiring does not block in a pinned section, where the process would end, whoever has the
// pool's lock; and what was retired comes back.
func TestRetire_InPinnedSection(t *testing.T) {
	self.InChild(t, func() string {
		d := newDomain(t)
		p := New[flat](d, Options{})
		all := getAll(t, p, 5*p.s.capacity+1)
		p.s.mu.Lock()
		s := d.Pin()
		for _, obj := range all {
			p.Retire(obj)
		}
		s.Leave()
		p.s.mu.Unlock()
		require.EqualValues(t, len(all), p.Stats().Pending)
		p.Flush()
		require.NoError(t, d.Barrier(watchdogContext(t)))
		st := p.Stats()
		require.Zero(t, st.Pending)
		require.Zero(t, st.InUse)
		closeEmpty(t, p)
		return ""
	})
}

// The same of a large block, which is in no pool.
func TestRetire_LargeInPinnedSection(t *testing.T) {
	self.InChild(t, func() string {
		runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
		d := newDomain(t)
		b := NewBlocks(d, Options{})
		block, err := b.Get(maxObject + 1)
		require.NoError(t, err)
		var held, retiring atomic.Bool
		var wg sync.WaitGroup
		wg.Go(func() {
			b.mu.Lock()
			held.Store(true)
			for !retiring.Load() {
			}
			for range 1_000_000 { // so that it is waited for
				retiring.Load()
			}
			b.mu.Unlock()
		})
		for !held.Load() {
			runtime.Gosched()
		}
		s := d.Pin()
		retiring.Store(true)
		b.Retire(block)
		s.Leave()
		wg.Wait()
		require.NoError(t, b.Close(watchdogContext(t)))
		require.Zero(t, b.Stats().ReservedBytes)
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

// Magazines that arrive while the lock is taken wait for all readers that were there, also
// for those of an older one.
func TestStamp_ArrivedWaitForReaders(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 2)
	s.mu.Lock()
	tickets := []*ticket{s.stamp(all[0])}
	d.Advance()
	leave := enter(t, d) // after the first was retired, before the second was
	tickets = append(tickets, s.stamp(all[1]))
	s.mu.Unlock()
	for m := takeReached(s); m != nil; m = takeReached(s) {
		require.True(t, m == all[0], "taken under a reader")
		s.keep(m)
	}
	leave()
	for m := takeReached(s); m != nil; m = takeReached(s) {
		s.keep(m)
	}
	require.Zero(t, waiting(s))
	for _, ticket := range tickets {
		ticket.ready()
	}
	closeEmpty(t, p)
}

// A callback finds its magazine also where it has not been put with those that wait.
func TestTicket_MagazineThatArrived(t *testing.T) {
	d := newDomain(t)
	p := New[flat](d, Options{})
	s := p.s
	all := magazines(t, s, 3)
	var tickets []*ticket
	s.mu.Lock()
	for _, m := range all {
		tickets = append(tickets, s.stamp(m))
	}
	s.mu.Unlock()
	for _, i := range []int{1, 0, 2} {
		tickets[i].ready()
	}
	require.Zero(t, waiting(s))
	require.Zero(t, p.Stats().Pending)
	closeEmpty(t, p)
}

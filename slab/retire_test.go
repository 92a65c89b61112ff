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
		p.s.depot.mu.Lock()
		s := d.Pin()
		for _, obj := range all {
			p.Retire(obj)
		}
		s.Leave()
		p.s.depot.mu.Unlock()
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

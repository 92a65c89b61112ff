package stw

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// Property 4: each phase ends when all have arrived, and the last one in runs its
// function alone, before any goes on; fast parties may be a phase ahead.
func TestBarrier_Phases(t *testing.T) {
	for _, spins := range []int{0, spinsForMany} {
		const n = 5
		var b barrier
		b.init(n, spins)
		phase := 0 // written by the last one in, read by all after
		var wg sync.WaitGroup
		var bad atomic.Int32
		within(t, func() {
			for range n {
				wg.Go(func() {
					for k := 1; k <= rounds(5000); k++ {
						b.await(func() { phase++ })
						if phase != k {
							bad.Add(1)
						}
						b.await(nil)
					}
				})
			}
			wg.Wait()
		})
		require.Zero(t, bad.Load())
		require.Equal(t, rounds(5000), phase)
	}
}

// The others do not wait for a party that has dropped out.
func TestBarrier_Leave(t *testing.T) {
	const n = 5
	for range rounds(2000) {
		var b barrier
		b.init(n, 0)
		var wg sync.WaitGroup
		for i := range n {
			wg.Go(func() {
				for range i {
					b.await(nil)
				}
				b.drop()
			})
		}
		within(t, wg.Wait)
		require.Zero(t, parties(b.state.Load()))
	}
}

// A party works while the others have not arrived, and goes on when they have.
func TestSplitBarrier_WorkOverlaps(t *testing.T) {
	w := newWorld(t, Options{})
	gate := make(chan struct{})
	var worked, on, last atomic.Int32
	leader := spawn(t, w, func(d *Domain) {
		d.Blocking(func() { <-gate })
		w.RunOnAll(d, func(p *Domain, s *Stop) {
			if p == d {
				<-gate
			}
			s.SplitBarrier(func() { worked.Add(1) }, func() { last.Add(1) })
			on.Add(1)
		}, StopOptions{})
	})
	c := startCrowd(t, w, 2)
	gate <- struct{}{}
	waitFor(t, func() bool { return worked.Load() == 2 })
	for range 1000 {
		runtime.Gosched()
	}
	require.Equal(t, []int32{0, 0}, []int32{on.Load(), last.Load()})
	close(gate)
	join(t, leader)
	require.Equal(t, []int32{3, 3, 1}, []int32{worked.Load(), on.Load(), last.Load()})
	c.end(t)
}

// A party that panics in its work leaves the phase with the others, and then drops out.
func TestSplitBarrier_PanicInWork(t *testing.T) {
	const n = 3
	var b barrier
	b.init(n, 0)
	arrive := make(chan struct{})
	var on atomic.Int32
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() {
			defer b.drop()
			defer func() { recover() }()
			if i == 0 {
				<-arrive // the last one
			}
			b.split(func() {
				if i == 1 {
					panic("in its work")
				}
			}, nil)
			on.Add(1)
			b.await(nil)
		})
	}
	waitFor(t, func() bool { return arrived(b.state.Load()) == n-1 })
	for range 1000 {
		runtime.Gosched()
	}
	require.Zero(t, on.Load(), "a party goes on before all have arrived")
	close(arrive)
	within(t, wg.Wait)
	require.EqualValues(t, n-1, on.Load())
}

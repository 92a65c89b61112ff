package stw

import (
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
		var bad atomic.Int32
		for i := range n {
			wg.Go(func() {
				for range i {
					b.await(nil)
				}
				b.drop()
			})
		}
		within(t, wg.Wait)
		require.Zero(t, bad.Load())
		require.Zero(t, parties(b.state.Load()))
	}
}

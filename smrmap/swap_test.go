package smrmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

// A Store over a key retires the old entry before it unlinks it. It is not handed to the
// domain in between, however often the pool is flushed: a reader never holds an entry that
// is another's.
func TestStore_RetiredUnderOnePin(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newMap[int, [8]int](t, Options{})
	const keys = 4
	store := func(k, n int) { m.Store(k, [8]int{k, n, n, n, n, n, n, n}) }
	for k := range keys {
		store(k, 0)
	}
	var stop atomic.Bool
	var bad atomic.Int64
	var wg, writers sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for i := 0; !stop.Load(); i++ {
				s := m.dom.Enter()
				v, ok := m.LoadIn(s, i%keys)
				if !ok {
					bad.Add(1)
				} else {
					before := *v
					if i%16 == 0 {
						runtime.Gosched()
					}
					if before != *v || before[0] != i%keys || before[1] != before[7] {
						bad.Add(1)
					}
				}
				s.Leave()
			}
		})
	}
	wg.Go(func() {
		for !stop.Load() {
			m.pool.Trim()
			m.dom.Flush()
			runtime.Gosched()
		}
	})
	for g := range 3 {
		writers.Go(func() {
			for i := range reduced(1_000_000, 30_000) {
				store((i+g)%keys, i)
				if bad.Load() > 0 {
					return
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	wg.Wait()
	require.Zero(t, bad.Load())
}

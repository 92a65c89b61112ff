package smrmap

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestCompute_PanicLeavesTheMapAsItWas(t *testing.T) {
	m := newMap[int, int](t, Options{})
	require.NoError(t, m.Store(1, 1))
	require.PanicsWithValue(t, "mine", func() {
		m.Compute(1, func(int, bool) (int, Op) { panic("mine") })
	})
	require.PanicsWithValue(t, "smrmap: Compute of a Map: ExpireOp", func() {
		m.Compute(1, func(int, bool) (int, Op) { return 2, ExpireOp })
	})
	require.PanicsWithValue(t, "smrmap: Compute of a Map: Op(9)", func() {
		m.Compute(1, func(int, bool) (int, Op) { return 2, 9 })
	})
	v, _ := m.Load(1)
	require.Equal(t, 1, v)
	require.NoError(t, m.Store(1, 2)) // the lock is free
	m.Delete(1)
}

// Two writers to one key follow one another.
func TestCompute_Atomic(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m := newMap[int, int](t, Options{})
	s := newMap[string, int](t, Options{Domain: m.dom})
	var wg sync.WaitGroup
	const goroutines = 8
	n := rounds(20_000)
	for range goroutines {
		wg.Go(func() {
			for i := range n {
				m.Compute(7, func(old int, _ bool) (int, Op) {
					if i%64 == 0 {
						runtime.Gosched() // so that others wait
					}
					return old + 1, UpdateOp
				})
				s.Compute("7", func(old int, _ bool) (int, Op) { return old + 1, UpdateOp })
			}
		})
	}
	wg.Wait()
	v, _ := m.Load(7)
	require.Equal(t, goroutines*n, v)
	v, _ = s.Load("7")
	require.Equal(t, goroutines*n, v)
}

// The function of Compute returns, panics or ends its goroutine; the chain of its bucket is long,
// and writers wait. It is never called twice at once, and the bucket is unlocked in the end.
func TestCompute_EndsInEveryWay(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	var wg sync.WaitGroup
	var held atomic.Int64
	var bad atomic.Int64
	for g := range 8 {
		wg.Go(func() {
			for i := range reduced(3000, 500) {
				var in sync.WaitGroup
				in.Go(func() {
					defer func() { recover() }()
					m.Compute(i%150+g*150, func(old int, ok bool) (int, Op) {
						if held.Add(1) != 1 {
							bad.Add(1)
						}
						defer held.Add(-1)
						switch i % 7 {
						case 0:
							panic("x")
						case 1:
							runtime.Goexit()
						case 2:
							return 0, Op(77)
						case 3:
							runtime.Gosched()
							return 0, DeleteOp
						case 4:
							return 0, CancelOp
						}
						return i, UpdateOp
					})
				})
				in.Wait()
			}
		})
	}
	within(t, "Compute", wg.Wait)
	require.Zero(t, bad.Load())
	m.c.check()
}

// A key that can't be compared panics, and leaves no bucket locked.
func TestMap_UncomparableKeyPanics(t *testing.T) {
	m := newMap[any, int](t, Options{})
	m.Store(1, 1)
	for name, fn := range map[string]func(){
		"Load":    func() { m.Load([]int{1}) },
		"Store":   func() { m.Store([]int{1}, 1) },
		"Delete":  func() { m.Delete(map[int]int{}) },
		"Compute": func() { m.Compute(func() {}, func(int, bool) (int, Op) { return 1, UpdateOp }) },
	} {
		require.Panics(t, fn, name)
	}
	within(t, "Store", func() {
		for i := range 1000 {
			m.Store(i, i)
		}
	})
	type key struct {
		a [2]any
	}
	m2 := newMap[key, int](t, Options{})
	require.Panics(t, func() { m2.Store(key{[2]any{1, []int{}}}, 1) })
	require.Panics(t, func() { m2.Load(key{[2]any{1, []int{}}}) })
	within(t, "Store", func() {
		for i := range 1000 {
			m2.Store(key{[2]any{i, i}}, i)
		}
	})
}

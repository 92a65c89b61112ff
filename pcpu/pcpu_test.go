package pcpu

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"
)

type slot struct {
	id int
}

func newSlots() *Slots[slot] {
	s := new(Slots[slot])
	s.Init(func(id int) *slot { return &slot{id: id} })
	return s
}

func TestStride_CoversPairsOfLines(t *testing.T) {
	require.GreaterOrEqual(t, Stride, LineSize)
	if runtime.GOARCH == "amd64" {
		require.EqualValues(t, 128, Stride)
	}
	require.Equal(t, Stride, unsafe.Sizeof(cell{}))
}

func TestPin_IDWithinGOMAXPROCS(t *testing.T) {
	for range 100 {
		id := Pin()
		Unpin()
		require.GreaterOrEqual(t, id, 0)
		if Exclusive {
			require.Less(t, id, runtime.GOMAXPROCS(0))
		}
	}
}

// Where a hint is all there is, goroutines that run at once seldom share one.
func TestPin_Spreads(t *testing.T) {
	if Exclusive {
		t.Skip("this build pins")
	}
	const goroutines = 64
	var seen [maxStripes]atomic.Bool
	var all, wg sync.WaitGroup
	all.Add(goroutines)
	for range goroutines {
		wg.Go(func() {
			seen[Pin()%maxStripes].Store(true)
			all.Done()
			all.Wait() // no stack is another's
		})
	}
	wg.Wait()
	stripes := 0
	for i := range seen {
		if seen[i].Load() {
			stripes++
		}
	}
	require.Greater(t, stripes, goroutines/2)
}

// Where Exclusive, no two goroutines are between Pin and Unpin with one id.
func TestPin_Exclusive(t *testing.T) {
	if !Exclusive {
		t.Skip("this build cannot pin")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var inside [64]atomic.Int32
	var broken atomic.Bool
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 20000 {
				id := Pin()
				if inside[id%64].Add(1) != 1 {
					broken.Store(true)
				}
				for range i % 10 {
				}
				inside[id%64].Add(-1)
				Unpin()
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	for i := range 20 {
		runtime.GOMAXPROCS(1 + i%8)
	}
	wg.Wait()
	require.False(t, broken.Load(), "two goroutines were pinned to one processor")
}

func TestCount(t *testing.T) {
	for procs, want := range map[int]int{1: 16, 2: 32, 3: 64, 4: 64, 5: 128, 15: 256, 16: 256, 17: 256, 1000: 256} {
		if Exclusive {
			want = procs
		}
		require.Equal(t, want, Count(procs), "%d processors", procs)
	}
}

func TestSlots_GrowKeepsSlots(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.GOMAXPROCS(1)
	s := newSlots()
	require.Nil(t, s.At(0))
	require.Empty(t, s.All())
	first := s.Grow(0)
	require.Same(t, first, s.At(0))
	for _, procs := range []int{2, 8, 3} {
		before := s.All()
		runtime.GOMAXPROCS(procs)
		if Exclusive {
			s.Grow(procs - 1)
			require.Equal(t, procs-1, s.At(procs-1).id)
		}
		require.Same(t, first, s.At(0))
		require.GreaterOrEqual(t, len(s.All()), len(before), "slots never go away")
		for i, sl := range before {
			require.Same(t, sl, s.All()[i])
		}
	}
}

func TestSlots_GrowConcurrently(t *testing.T) {
	s := newSlots()
	var got [64][]*slot
	var mu sync.Mutex
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := range 64 {
				id := (i*5 + g) % 64
				sl := s.Grow(id)
				mu.Lock()
				got[id] = append(got[id], sl)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for id := range got {
		for _, sl := range got[id] {
			require.Same(t, s.At(id), sl, "id %d got two slots", id)
		}
	}
}

func TestSlots_Seal(t *testing.T) {
	s := newSlots()
	sl := s.Grow(0)
	require.True(t, s.Seal())
	require.False(t, s.Seal())
	require.True(t, s.Sealed())
	require.Nil(t, s.At(0))
	require.Nil(t, s.Grow(0))
	require.Contains(t, s.All(), sl)
}

// Nothing added is lost while processors come and go.
func TestCounter_Exact(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	var c Counter
	require.Zero(t, c.Load())
	const goroutines, adds = 8, 20000
	var wg sync.WaitGroup
	for range goroutines {
		wg.Go(func() {
			for i := range adds {
				c.Add(3)
				c.Add(-1)
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	for i := range 20 {
		runtime.GOMAXPROCS(1 + i%8)
		c.Load()
	}
	wg.Wait()
	require.EqualValues(t, goroutines*adds*2, c.Load())
}

func BenchmarkPin(b *testing.B) {
	for b.Loop() {
		Pin()
		Unpin()
	}
}

func BenchmarkCounter(b *testing.B) {
	b.Run("pcpu", func(b *testing.B) {
		var c Counter
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Add(1)
			}
		})
	})
	b.Run("atomic", func(b *testing.B) {
		var c atomic.Int64
		b.RunParallel(func(pb *testing.PB) {
			for pb.Next() {
				c.Add(1)
			}
		})
	})
}

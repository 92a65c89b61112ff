package smrmap

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
)

// Every operation does what it does to a Go map, with keys and values of all kinds, and
// with hashes as bad as can be.
func TestMap_Oracle(t *testing.T) {
	type pair struct {
		a int32
		b string
	}
	type fixed struct {
		a uint8
		b [3]uint16
	}
	t.Run("ints", func(t *testing.T) {
		m := newMap[uint64, value](t, Options{})
		require.True(t, m.OffHeap())
		testOracle(t, m, func(i int) uint64 { return uint64(i) << 40 }, func(i int) value { return value{uint64(i), 3: uint64(i)} })
	})
	t.Run("int8", func(t *testing.T) {
		testOracle(t, newMap[int8, bool](t, Options{}), func(i int) int8 { return int8(i) }, func(i int) bool { return i%2 == 0 })
	})
	t.Run("all in one bucket", func(t *testing.T) {
		m := newMap[uint32, uint16](t, Options{})
		m.ints = intHasher{}
		testOracle(t, m, func(i int) uint32 { return uint32(i % 200) }, func(i int) uint16 { return uint16(i) })
	})
	t.Run("few hashes", func(t *testing.T) {
		m := newMap[int, int](t, Options{})
		m.ints = intHasher{0, 1 << 60} // the product's high half is what is above the low four bits
		testOracle(t, m, func(i int) int { return i }, func(i int) int { return i })
	})
	t.Run("strings", func(t *testing.T) {
		m := newMap[string, string](t, Options{})
		require.False(t, m.OffHeap())
		testOracle(t, m, strconv.Itoa, strconv.Itoa)
	})
	t.Run("structs", func(t *testing.T) {
		testOracle(t, newMap[pair, *int](t, Options{}), func(i int) pair { return pair{int32(i), "x"} }, func(i int) *int { return &i })
	})
	t.Run("fixed structs", func(t *testing.T) {
		m := newMap[fixed, fixed](t, Options{})
		require.True(t, m.OffHeap())
		testOracle(t, m, func(i int) fixed { return fixed{uint8(i), [3]uint16{uint16(i)}} }, func(i int) fixed { return fixed{b: [3]uint16{2: uint16(i)}} })
	})
	t.Run("empty values", func(t *testing.T) {
		testOracle(t, newMap[uint16, struct{}](t, Options{}), func(i int) uint16 { return uint16(i) }, func(int) struct{} { return struct{}{} })
	})
	t.Run("large values", func(t *testing.T) {
		testOracle(t, newMap[uint16, [3000]byte](t, Options{}), func(i int) uint16 { return uint16(i % 300) }, func(i int) [3000]byte { return [3000]byte{2999: byte(i)} })
	})
	t.Run("floats", func(t *testing.T) {
		testOracle(t, newMap[float64, int](t, Options{}), func(i int) float64 { return float64(i) / 3 }, func(i int) int { return i })
	})
	t.Run("interfaces", func(t *testing.T) {
		testOracle(t, newMap[any, any](t, Options{}), func(i int) any {
			if i%2 == 0 {
				return i
			}
			return strconv.Itoa(i)
		}, func(i int) any { return i })
	})
}

func testOracle[K, V comparable](t *testing.T, m *Map[K, V], newKey func(int) K, newValue func(int) V) {
	rnd := rand.New(rand.NewPCG(1, 2))
	want := make(map[K]V)
	n := rounds(60_000)
	for i := range n {
		// The range of keys swells and shrinks, and the map with it.
		k := newKey(rnd.IntN(1 + int(2000*(1+math.Sin(float64(i)/float64(n)*20)))))
		old, had := want[k]
		v := newValue(i)
		switch op := rnd.IntN(12); op {
		case 0, 1, 2:
			require.NoError(t, m.Store(k, v))
			want[k] = v
		case 3:
			got, ok := m.LoadAndDelete(k)
			require.Equal(t, had, ok)
			equal(t, old, got)
			delete(want, k)
		case 4, 5:
			require.Equal(t, had, m.Delete(k))
			delete(want, k)
		case 6:
			got, loaded, err := m.LoadOrStore(k, v)
			require.NoError(t, err)
			require.Equal(t, had, loaded)
			if had {
				equal(t, old, got)
			} else {
				equal(t, v, got)
				want[k] = v
			}
		case 7, 8:
			op := []Op{CancelOp, UpdateOp, DeleteOp}[rnd.IntN(3)]
			got, ok, err := m.Compute(k, func(o V, loaded bool) (V, Op) {
				require.Equal(t, had, loaded)
				equal(t, old, o)
				return v, op
			})
			require.NoError(t, err)
			switch op {
			case UpdateOp:
				want[k] = v
			case DeleteOp:
				delete(want, k)
			}
			now, has := want[k]
			require.Equal(t, has, ok)
			equal(t, now, got)
		default:
			got, ok := m.Load(k)
			require.Equal(t, had, ok)
			equal(t, old, got)
			s := m.dom.Enter()
			p, ok := m.LoadIn(s, k)
			require.Equal(t, had, ok)
			if ok {
				equal(t, old, *p)
			} else {
				require.Nil(t, p)
			}
			s.Leave()
		}
		require.Equal(t, len(want), m.Len())
	}
	require.Equal(t, want, maps.Collect(m.All()))
	keys := 0
	for range m.Keys() {
		keys++
	}
	require.Equal(t, len(want), keys)
	m.Clear()
	require.Zero(t, m.Len())
	for range m.All() {
		t.Fatal("an entry after Clear")
	}
}

func TestMap_NaN(t *testing.T) {
	m := newMap[float64, int](t, Options{})
	for range 3 {
		require.NoError(t, m.Store(math.NaN(), 1))
	}
	_, ok := m.Load(math.NaN())
	require.False(t, ok)
	require.Equal(t, 3, m.Len())
	require.NoError(t, m.Store(0, 7))
	v, _ := m.Load(math.Copysign(0, -1))
	require.Equal(t, 7, v)
	m.Clear()
	require.Zero(t, m.Len())
}

func TestMap_NoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("invariants keep track of each object")
	}
	if testkit.Sanitized {
		t.Skip("what is looked at by way of unsafe is on the heap")
	}
	m := newMap[uint64, value](t, Options{})
	for i := range uint64(1000) {
		require.NoError(t, m.Store(i, value{i}))
	}
	for i := range uint64(50_000) { // so that there are magazines enough
		m.Store(i%1000, value{})
	}
	i := uint64(0)
	require.Zero(t, testing.AllocsPerRun(20_000, func() {
		i++
		m.Load(i % 1000)
		s := m.dom.Enter()
		m.LoadIn(s, i%1000)
		s.Leave()
	}))
	keys, values, found := make([]uint64, 50), make([]value, 50), make([]bool, 50)
	require.Zero(t, testing.AllocsPerRun(1000, func() {
		for j := range keys {
			i++
			keys[j] = i % 1000
		}
		m.LoadAll(keys, values, found)
		m.StoreAll(keys, values)
	}))
	require.Zero(t, testing.AllocsPerRun(50_000, func() {
		i++
		m.Store(i%1000, value{i})
	}))
	require.Zero(t, testing.AllocsPerRun(50_000, func() {
		i++
		m.Delete(i % 1000)
		m.Store(i%1000, value{i})
	}))
}

// A budget at its end makes stores fail, and nothing else.
func TestMap_NoMemory(t *testing.T) {
	budget := slab.NewBudget(1 << 20)
	m := newMap[uint64, value](t, Options{Budget: budget})
	n := uint64(0)
	for ; ; n++ {
		if err := m.Store(n, value{n}); err != nil {
			require.ErrorIs(t, err, slab.ErrNoMemory)
			break
		}
	}
	require.Greater(t, n, uint64(10_000))
	require.LessOrEqual(t, budget.Used(), budget.Limit()*5/4) // chained buckets come all the same
	require.EqualValues(t, n, m.Len())
	_, ok := m.Load(n)
	require.False(t, ok)
	_, loaded, err := m.LoadOrStore(n, value{})
	require.False(t, loaded)
	if err == nil { // the old table's memory came back
		require.True(t, m.Delete(n))
	} else {
		require.ErrorIs(t, err, slab.ErrNoMemory)
	}
	for k := range n {
		v, ok := m.Load(k)
		require.True(t, ok)
		require.Equal(t, value{k}, v)
	}
	for k := range n {
		require.True(t, m.Delete(k))
	}
	require.NoError(t, m.dom.Barrier(watchdogContext(t)))
	require.NoError(t, m.Store(n, value{n}))

	_, err = New[uint64, value](Options{Budget: slab.NewBudget(100)})
	require.ErrorIs(t, err, slab.ErrNoMemory)
}

func TestMap_BytesPerEntry(t *testing.T) {
	m := newMap[uint64, value](t, Options{})
	n := uint64(0)
	for _, upTo := range []uint64{10_000, 25_000, 40_000, 90_000, 120_000, 200_000}[:reduced(6, 2)] {
		for ; n < upTo; n++ {
			require.NoError(t, m.Store(n, value{}))
		}
		m.c.migrated.Wait()
		require.LessOrEqual(t, float64(m.Stats().ReservedBytes)/float64(n), 72.0+float64(1<<17)/float64(n), "%d entries", n)
	}
}

func TestMap_Capacity(t *testing.T) {
	n := reduced(100_000, 30_000)
	m := newMap[int, int](t, Options{Capacity: n})
	before := m.Stats().Buckets
	for i := range n {
		require.NoError(t, m.Store(i, i))
	}
	m.Clear()
	m.c.migrated.Wait()
	require.Equal(t, before, m.Stats().Buckets)
	require.Zero(t, m.Stats().Resizes)
}

func TestNew_Errors(t *testing.T) {
	_, err := New[int, int](Options{Capacity: -1})
	require.ErrorContains(t, err, "negative Options.Capacity: -1")
	_, err = NewBytes(Options{Capacity: -1})
	require.ErrorContains(t, err, "negative Options.Capacity: -1")
}

// Without the seeds it can't be told which keys meet in a bucket.
func TestHash_SeededAndSpread(t *testing.T) {
	a, b := newHasher[uint64](), newHasher[uint64]()
	require.NotEqual(t, a.hash(1), b.hash(1))
	x, y := newHasher[string](), newHasher[string]()
	require.NotEqual(t, x.hash("1"), y.hash("1"))
	// Keys that differ in any few bits spread over buckets, and over tags.
	for name, newKey := range map[string]func(uint64) uint64{
		"low bits":  func(i uint64) uint64 { return i },
		"high bits": func(i uint64) uint64 { return i << 48 },
		"multiples": func(i uint64) uint64 { return i * 4096 },
		"one bit":   func(i uint64) uint64 { return 1<<(i%16) ^ i>>4<<16 },
	} {
		const n, buckets = 1 << 16, 1 << 10
		var byBucket [buckets]int
		var byTag [256]int
		for i := range uint64(n) {
			h := a.hash(newKey(i))
			byBucket[h>>54]++
			byTag[tag(h)]++
		}
		for _, c := range byBucket {
			require.Less(t, c, 2*n/buckets, name)
		}
		for _, c := range byTag {
			require.Less(t, c, 3*n/256, name)
		}
	}
}

// Keys and values may have no size.
func TestMap_ZeroSizes(t *testing.T) {
	m := newMap[struct{}, struct{}](t, Options{})
	for range 1000 {
		require.NoError(t, m.Store(struct{}{}, struct{}{}))
		require.Equal(t, 1, m.Len())
		_, ok := m.Load(struct{}{})
		require.True(t, ok)
		require.True(t, m.Delete(struct{}{}))
	}
	f := newMap[[0]string, [0]func()](t, Options{})
	require.NoError(t, f.Store([0]string{}, [0]func(){}))
}

// Values too large for a slab lie on the Go heap, and the largest that fit lie off it.
func TestMap_GiantValues(t *testing.T) {
	type giant [100_000]uint64
	m := newMap[int, giant](t, Options{})
	require.False(t, m.OffHeap())
	for i := range 20 {
		require.NoError(t, m.Store(i, giant{0: uint64(i), 99_999: 7}))
	}
	for i := range 20 {
		v, ok := m.Load(i)
		require.True(t, ok)
		require.EqualValues(t, i, v[0])
		require.EqualValues(t, 7, v[99_999])
	}
	type limit [64<<10 - 8]byte
	m2 := newMap[uint64, limit](t, Options{})
	require.True(t, m2.OffHeap())
	for i := range uint64(100) {
		require.NoError(t, m2.Store(i%7, limit{0: byte(i)}))
		v, ok := m2.Load(i % 7)
		require.True(t, ok)
		require.EqualValues(t, byte(i), v[0])
	}
}

// Entries on the Go heap stay whole under a collector that never rests.
func TestMap_OnHeapUnderCollector(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	m := newMap[string, *[4]uint64](t, Options{})
	var stop atomic.Bool
	var wg, bg sync.WaitGroup
	bg.Go(func() {
		for !stop.Load() {
			runtime.GC()
		}
	})
	var bad atomic.Int64
	for g := range 4 {
		wg.Go(func() {
			for round := range reduced(10, 3) {
				for i := range 2000 {
					m.Store(fmt.Sprint(g, i), &[4]uint64{uint64(i), uint64(i), uint64(round), uint64(g)})
				}
				for i := range 2000 {
					v, ok := m.Load(fmt.Sprint(g, i))
					if !ok || v[0] != uint64(i) || v[1] != uint64(i) || v[2] != uint64(round) || v[3] != uint64(g) {
						bad.Add(1)
					}
				}
				for k, v := range m.All() {
					if k[0]-'0' != byte(v[3]) {
						bad.Add(1)
					}
				}
				for i := range 2000 {
					if i%3 != 0 || round%2 == 1 {
						m.Delete(fmt.Sprint(g, i))
					}
				}
			}
		})
	}
	wg.Wait()
	stop.Store(true)
	bg.Wait()
	require.Zero(t, bad.Load())
}

package smrmap

import (
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

// Who is in the map is found, with its own value, while the map grows and shrinks.
func TestMap_ReadersDuringResizing(t *testing.T) {
	m := newMap[uint64, value](t, Options{})
	const stay = 300
	// Whoever moves a bucket stops in the middle of it, now and then.
	hashOf := m.c.hashOf
	m.c.hashOf = func(e ref) uint64 {
		h := hashOf(e)
		if h%16 == 0 {
			runtime.Gosched()
		}
		return h
	}
	mark := func(k uint64) value { return value{k, k + 1, k + 2, k + 3} }
	for k := range uint64(stay) {
		require.NoError(t, m.Store(k<<32, mark(k<<32)))
	}
	var stop atomic.Bool
	var failed atomic.Pointer[string]
	fail := func(text string) { failed.Store(&text) }
	var readers, writers sync.WaitGroup
	for g := range 3 {
		readers.Go(func() {
			for i := uint64(0); !stop.Load(); i++ {
				k := i % stay << 32
				if g == 2 {
					s := m.dom.Enter()
					if v, ok := m.LoadIn(s, k); !ok || *v != mark(k) {
						fail("LoadIn missed a key, or found another's value")
					}
					s.Leave()
				} else if v, ok := m.Load(k); !ok || v != mark(k) {
					fail("Load missed a key, or found another's value")
				}
				if i%100 == 0 {
					runtime.Gosched()
				}
			}
		})
	}
	readers.Go(func() {
		for !stop.Load() {
			seen := make(map[uint64]int)
			for k, v := range m.All() {
				if v != mark(k) {
					fail("All found another's value")
				}
				seen[k]++
			}
			for k := range uint64(stay) {
				if seen[k<<32] != 1 {
					fail("All saw a key " + strconv.Itoa(seen[k<<32]) + " times")
				}
			}
			for _, n := range seen {
				if n != 1 {
					fail("All saw a key twice")
				}
			}
		}
	})
	for g := range uint64(2) {
		writers.Go(func() {
			for range reduced(60, 2) {
				n := reduced(4000, 2000)
				for i := range uint64(n) {
					k := 1 + i*2 + g
					if m.Store(k, mark(k)) != nil {
						fail("Store")
					}
					m.Store(i%stay<<32, mark(i%stay<<32))
				}
				for i := range uint64(n) {
					if !m.Delete(1 + i*2 + g) {
						fail("Delete missed a key")
					}
				}
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if text := failed.Load(); text != nil {
		t.Fatal(*text)
	}
	require.Equal(t, stay, m.Len())
	require.NotZero(t, m.Stats().Resizes)
}

// What a reader copies is one value, whatever becomes of the entry meanwhile. With more
// threads than processors the system stops readers in the middle of the copy.
func TestLoad_CopyIsOneValue(t *testing.T) {
	type wide [1000]uint64
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(8))
	m := newMap[int, wide](t, Options{})
	fill := func(v *wide, x uint64) {
		for i := range v {
			v[i] = x
		}
	}
	n := rounds(150_000)
	if !optimistic { // Load copies in a section
		n /= 10
	}
	var v wide
	for k := range 4 {
		require.NoError(t, m.Store(k, v))
	}
	var stop atomic.Bool
	var torn atomic.Int64
	var readers, writers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for i := 0; !stop.Load(); i++ {
				v, ok := m.Load(i % 4)
				if !ok {
					torn.Add(1)
				}
				for _, x := range v {
					if x != v[0] {
						torn.Add(1)
						break
					}
				}
			}
		})
	}
	for g := range 3 {
		writers.Go(func() {
			var v wide
			for i := 0; i < n && torn.Load() == 0; i++ {
				fill(&v, uint64(i*3+g))
				m.Store(i%4, v)
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	require.Zero(t, torn.Load(), "a copy of two values")
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

// A map that was large gives its memory back by itself.
func TestMap_ShrinksAtRest(t *testing.T) {
	m := newMap[uint64, value](t, Options{})
	n := uint64(reduced(200_000, 50_000))
	for k := range n {
		require.NoError(t, m.Store(k, value{}))
	}
	m.c.migrated.Wait()
	require.Greater(t, m.Stats().Buckets, int(n)*3/20)
	for k := range n {
		m.Delete(k)
	}
	m.c.migrated.Wait()
	settle(t, m.dom)
	st := m.Stats()
	require.LessOrEqual(t, st.Buckets, 64)
	require.Less(t, st.ReservedBytes, int64(4<<20))
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

func TestNew_Errors(t *testing.T) {
	_, err := New[int, int](Options{Capacity: -1})
	require.ErrorContains(t, err, "negative Options.Capacity: -1")
	_, err = NewBytes(Options{Capacity: -1})
	require.ErrorContains(t, err, "negative Options.Capacity: -1")
}

// Nobody who does not know the seeds can tell which keys meet in a bucket.
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

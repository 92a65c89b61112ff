package smrmap

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

func TestChain_BucketsAreDistinct(t *testing.T) {
	tab, err := newTable(minBits, false, false, nil)
	require.NoError(t, err)
	seen := make(map[*bucket]bool)
	last := tab.at(0)
	for range 70_000 { // past 2^16, whose low half is 0
		seen[last] = true
		next, err := tab.chain(last, false)
		require.NoError(t, err)
		require.False(t, seen[next])
		require.Same(t, next, tab.after(last))
		last = next
	}
	require.Nil(t, tab.after(last))
	for i := range tab.n {
		require.Equal(t, i == 0, seen[tab.at(i)])
	}
}

// Segments follow one another without a gap, and each number that has the bits of one is in
// one of them.
func TestSegmentOf_CoversAllNumbers(t *testing.T) {
	seg, size, next := 0, uint64(minSpill), uint64(0)
	for number := uint64(1); number < 1<<20; number++ {
		if next == size {
			seg, next = seg+1, 0
			size = minSpill << (seg / 4)
		}
		s, at := segmentOf(number)
		if s != seg || at != next {
			t.Fatalf("number %d is number %d of segment %d, not %d of %d", number, at, s, next, seg)
		}
		next++
	}
	s, at := segmentOf(1<<32 - 1)
	require.Less(t, s, maxSegments)
	require.Less(t, at, uint64(minSpill<<(s/4)))
	s, _ = segmentOf(1 << 31)
	require.Less(t, s, maxSegments-1)
}

// The last number is 2^32-1: a link holds no larger one.
func TestChain_NumbersEnd(t *testing.T) {
	tab, err := newTable(minBits, false, false, nil)
	require.NoError(t, err)
	tab.spillOf().segments[maxSegments-1].Store(new(bucket)) // of which no bucket is touched
	tab.spillOf().last = math.MaxUint32
	require.PanicsWithValue(t, "smrmap: more than 2^32 chained buckets", func() { tab.chain(tab.at(0), false) })
}

// crowd keeps a map's table as it is, however many entries there are.
func (c *core) crowd() { c.stuck.Store(math.MaxInt64) }

// What a chain does not need any more is another's at once, in which way so ever its entries
// went: the buckets that were ever chained are those that one chain needs.
func TestChain_EmptiedBucketsAreUsedAgain(t *testing.T) {
	const n = 4 * slotsPerBucket
	test := func(t *testing.T, c *core, rounds int, fill, empty func(round int)) {
		for round := range rounds {
			fill(round)
			require.LessOrEqual(t, c.table.Load().spillOf().last, uint64(n/slotsPerBucket), "round %d", round)
			require.Equal(t, n, c.check())
			empty(round)
			require.Zero(t, c.check())
		}
	}
	for name, empty := range map[string]func(m *Map[uint64, int], k uint64){
		"Delete":  func(m *Map[uint64, int], k uint64) { m.Delete(k) },
		"Clear":   func(m *Map[uint64, int], k uint64) { m.Clear() },
		"Compute": func(m *Map[uint64, int], k uint64) { m.Compute(k, func(int, bool) (int, Op) { return 0, DeleteOp }) },
	} {
		for order, at := range map[string]func(i int) int{
			"forwards":  func(i int) int { return i },
			"backwards": func(i int) int { return n - 1 - i },
			"by turns":  func(i int) int { return i * 7 % n },
		} {
			t.Run("Map "+name+" "+order, func(t *testing.T) {
				m := newMap[uint64, int](t, Options{})
				m.ints = intHasher{0, 1 << 60} // the product's upper half is the key's bits from 4 on
				m.c.crowd()
				key := func(round, i int) uint64 { return uint64(round)*31%(1<<minBits)<<61 | uint64(i)<<4 }
				test(t, &m.c, 20, func(round int) {
					for i := range n {
						require.NoError(t, m.Store(key(round, i), i))
					}
				}, func(round int) {
					for i := range n {
						empty(m, key(round, at(i)))
						m.c.check()
					}
				})
			})
		}
	}
	var now clock
	for name, empty := range map[string]func(m *Bytes){
		"Clear":   (*Bytes).Clear,
		"Evict":   func(m *Bytes) { m.EvictBytes(1 << 20) },
		"Sweep":   func(m *Bytes) { now.ms.Store(3000); m.Sweep(0, 1000) },
		"Compact": func(m *Bytes) { now.ms.Store(3000); m.CompactFor(watchdogContext(t), 0) },
		"Delete": func(m *Bytes) {
			for k := range m.Keys() {
				m.Delete(k)
			}
		},
	} {
		t.Run("Bytes "+name, func(t *testing.T) {
			m := newBytes(t, Options{Now: now.now})
			m.c.crowd()
			keys := inFirstBucket(m, n)
			test(t, &m.c, 10, func(int) {
				now.ms.Store(1000)
				for _, k := range keys {
					require.NoError(t, m.StoreItem(k, Item{Expires: 2000}))
				}
			}, func(int) { empty(m) })
		})
	}
}

// An empty bucket stays where it is until all behind it are empty, too: a reader that is at
// it finds what is behind.
func TestChain_EmptyBucketStaysBeforeOthers(t *testing.T) {
	m := newMap[int, int](t, Options{})
	m.ints = intHasher{} // all in one bucket
	m.c.crowd()
	const n = 3 * slotsPerBucket
	for k := range n {
		require.NoError(t, m.Store(k, k))
	}
	tab := m.c.table.Load()
	root := tab.at(0)
	x := tab.after(root)
	y := tab.after(x)
	for k := slotsPerBucket; k < 2*slotsPerBucket; k++ {
		m.Delete(k)
	}
	require.True(t, x.empty())
	require.Same(t, x, tab.after(root))
	require.Same(t, y, tab.after(x))
	for k := 2 * slotsPerBucket; k < n; k++ {
		require.Same(t, y, tab.after(x))
		m.Delete(k)
	}
	require.Nil(t, tab.after(root))
	require.EqualValues(t, 2, tab.spillOf().spare.Load())
}

// Readers and walks of chains that become longer and shorter all the time find what stays,
// and walks see it once; so does the one who stored it.
func TestChain_ReadersOfCrowdedTable(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(6))
	const stay = 40
	mark := func(k uint64) value { return value{k, k + 1, k + 2, k + 3} }
	m := newMap[uint64, value](t, Options{})
	m.c.crowd()
	fresh := func() (k uint64) { return rand.Uint64N(1<<20) + stay }
	// Half of what stays is behind what comes and goes.
	var before []uint64
	for range 100 {
		before = append(before, fresh())
	}
	for k := range uint64(stay) {
		if k == stay/2 {
			for _, k := range before {
				require.NoError(t, m.Store(k, mark(k)))
			}
		}
		require.NoError(t, m.Store(k, mark(k)))
	}
	for _, k := range before {
		m.Delete(k)
	}
	var stop atomic.Bool
	var failed atomic.Pointer[string]
	fail := func(format string, args ...any) {
		text := fmt.Sprintf(format, args...)
		failed.Store(&text)
	}
	var readers, writers sync.WaitGroup
	for g := range 2 {
		readers.Go(func() {
			for k := uint64(0); !stop.Load(); k = (k + 1) % stay {
				if v, ok := m.Load(k); !ok || v != mark(k) {
					fail("Load of %d: %v, %v", k, v, ok)
				}
				if g == 0 {
					continue
				}
				s := m.dom.Enter()
				if v, ok := m.LoadIn(s, k); !ok || *v != mark(k) {
					fail("LoadIn of %d: %v", k, ok)
				}
				if _, ok := m.LoadIn(s, 1<<40+k); ok {
					fail("LoadIn finds a key that was never stored")
				}
				s.Leave()
			}
		})
	}
	readers.Go(func() {
		for !stop.Load() {
			seen := make(map[uint64]int)
			for k, v := range m.All() {
				if seen[k]++; seen[k] > 1 || v != mark(k) {
					fail("All sees %d %d times, with %v", k, seen[k], v)
				}
			}
			for k := range uint64(stay) {
				if seen[k] != 1 {
					fail("All sees %d %d times", k, seen[k])
				}
			}
		}
	})
	for range 3 {
		writers.Go(func() {
			var mine []uint64
			for i := range rounds(100_000) {
				// They swell and shrink.
				if swells := i / 100 % 2; len(mine) == 0 || rand.IntN(3) <= swells {
					k := fresh()
					if _, loaded, err := m.LoadOrStore(k, mark(k)); err != nil || loaded {
						continue
					}
					mine = append(mine, k)
					continue
				}
				j := rand.IntN(len(mine))
				if v, ok := m.LoadAndDelete(mine[j]); !ok || v != mark(mine[j]) {
					fail("LoadAndDelete of %d: %v, %v", mine[j], v, ok)
				}
				mine[j] = mine[len(mine)-1]
				mine = mine[:len(mine)-1]
			}
			for _, k := range mine {
				m.Delete(k)
			}
		})
	}
	writers.Wait()
	stop.Store(true)
	readers.Wait()
	if text := failed.Load(); text != nil {
		t.Fatal(*text)
	}
	require.Equal(t, stay, m.c.check())
	require.EqualValues(t, 1<<minBits, m.Stats().Buckets)
}

// A table with many free chained buckets is replaced by one without.
func TestTable_LooseOneIsReplaced(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newMap[uint64, uint64](t, Options{Capacity: 5000, Budget: budget})
	m.c.crowd()
	n := uint64(0)
	for ; n < 40_000; n++ {
		require.NoError(t, m.Store(n, n))
	}
	st := m.Stats()
	chained := m.c.table.Load().spillOf().last
	require.Greater(t, chained, uint64(st.Buckets))
	// Where there is no room for it, that is tried again when there are less entries.
	budget.SetLimit(1)
	for ; n > 20_000; n-- {
		m.Delete(n - 1)
	}
	m.c.migrated.Wait()
	require.True(t, m.c.table.Load().loose())
	require.Zero(t, m.Stats().Resizes)
	budget.SetLimit(0)
	m.c.crowd()
	for ; n > 3000; n-- {
		m.Delete(n - 1)
	}
	m.c.migrated.Wait()
	require.Equal(t, st.Buckets, m.Stats().Buckets)
	require.NotZero(t, m.Stats().Resizes)
	require.Less(t, m.c.table.Load().spillOf().last, chained/4)
	require.LessOrEqual(t, m.c.stats().ReservedBytes, bytesOf(st.Buckets)*2)
	for k := range n {
		v, ok := m.Load(k)
		require.True(t, ok)
		require.Equal(t, k, v)
	}
}

// A Store whose bucket can't be chained fails, and the map is as it was. Nothing is lost, and
// what is deleted makes room.
func TestChain_NoMemory(t *testing.T) {
	const limit = 64 << 10
	budget := slab.NewBudget(limit)
	m := newMap[int, string](t, Options{Budget: budget}) // entries are not the budget's
	require.False(t, m.OffHeap())
	m.c.crowd()
	n := 0
	var err error
	for ; ; n++ {
		if err = m.Store(n, "x"); err != nil {
			break
		}
		require.Less(t, n, 1<<20)
	}
	require.ErrorIs(t, err, slab.ErrNoMemory)
	require.ErrorContains(t, err, "smrmap: no room to chain a bucket")
	require.Equal(t, n, m.c.check())
	require.Equal(t, n, m.Len())
	require.LessOrEqual(t, budget.Used(), limit+m.c.table.Load().share())
	_, ok := m.Load(n)
	require.False(t, ok)
	for i := range n {
		require.NoError(t, m.Store(i, "y"), "over an entry that is there")
	}
	for i := range n {
		require.True(t, m.Delete(i))
	}
	require.NoError(t, m.Store(n, "x"))

	b := newBytes(t, Options{Budget: slab.NewBudget(limit + 64<<10)})
	b.c.crowd()
	stored := 0
	for i := 0; ; i++ {
		if err = b.Store(key(i), nil); err != nil {
			break
		}
		stored++
	}
	require.ErrorIs(t, err, slab.ErrNoMemory)
	require.Equal(t, stored, b.c.check())
	require.Equal(t, stored, b.Len())
}

package smrmap

import (
	"math"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// longestChain returns the number of entries in the fullest chain of a map at rest.
func (c *core) longestChain() (longest int) {
	c.migrated.Wait()
	t := c.table.Load()
	for i := range t.n {
		n := 0
		for b := t.at(i); b != nil; b = t.after(b) {
			for s := range b.slots {
				if b.slots[s].Load() != nil {
					n++
				}
			}
		}
		longest = max(longest, n)
	}
	return longest
}

// Keys that differ from themselves are spread over the table, as others are: a Store of one
// costs what another's does, however many there are. They keep their places: the table
// grows, shrinks, and is walked over, and each of them is seen once. As in Go's map no
// lookup finds them, and Clear deletes them.
func TestUnequalKeys_SpreadAndSeenOnce(t *testing.T) {
	nan := math.NaN()
	type inner struct {
		a int
		f [2]float32
	}
	t.Run("float64", func(t *testing.T) { testUnequal(t, nan, 0) })
	t.Run("float32", func(t *testing.T) { testUnequal(t, float32(nan), 0) })
	t.Run("complex", func(t *testing.T) { testUnequal(t, complex(0, nan), 0) })
	t.Run("array", func(t *testing.T) { testUnequal(t, [3]float64{1, nan, 2}, [3]float64{}) })
	t.Run("struct", func(t *testing.T) { testUnequal(t, inner{1, [2]float32{0, float32(nan)}}, inner{}) })
	t.Run("interface", func(t *testing.T) { testUnequal(t, any(nan), any("ordinary")) })
	t.Run("interface in a struct", func(t *testing.T) {
		testUnequal(t, struct{ x [1]any }{[1]any{inner{f: [2]float32{float32(nan)}}}}, struct{ x [1]any }{})
	})
}

func testUnequal[K comparable](t *testing.T, k, ordinary K) {
	n := reduced(3000, 1000)
	m := newMap[K, int](t, Options{})
	require.NoError(t, m.Store(ordinary, -1))
	for i := range n {
		switch i % 3 {
		case 0:
			require.NoError(t, m.Store(k, i))
		case 1:
			actual, loaded, err := m.LoadOrStore(k, i)
			require.NoError(t, err)
			require.False(t, loaded)
			require.Equal(t, i, actual)
		case 2:
			actual, ok, err := m.Compute(k, func(old int, loaded bool) (int, Op) {
				require.False(t, loaded)
				require.Zero(t, old)
				return i, UpdateOp
			})
			require.NoError(t, err)
			require.True(t, ok)
			require.Equal(t, i, actual)
		}
	}
	require.Equal(t, n+1, m.Len())
	require.Equal(t, n+1, m.c.check())
	require.Less(t, m.c.longestChain(), 4*slotsPerBucket)

	// No lookup finds one, and nothing that is to change one does.
	_, ok := m.Load(k)
	require.False(t, ok)
	s := m.dom.Enter()
	_, ok = m.LoadIn(s, k)
	require.False(t, ok)
	s.Leave()
	require.False(t, m.Delete(k))
	for _, op := range []Op{DeleteOp, CancelOp} {
		_, ok, err := m.Compute(k, func(_ int, loaded bool) (int, Op) {
			require.False(t, loaded)
			return 0, op
		})
		require.NoError(t, err)
		require.False(t, ok)
	}
	require.Panics(t, func() { m.Compute(k, func(int, bool) (int, Op) { return 0, ExpireOp }) })
	require.Equal(t, n+1, m.Len())

	// A walk sees each of them once, though the table is another before it is over.
	seen, grown := make(map[int]int), n
	for k2, v := range m.All() {
		if k2 == k2 {
			require.Equal(t, ordinary, k2)
		}
		seen[v]++
		if len(seen)%100 == 0 && grown < 4*n {
			for range 1000 {
				require.NoError(t, m.Store(k, n+grown))
				grown++
			}
			m.c.migrated.Wait()
		}
	}
	require.Equal(t, 1, seen[-1])
	for i := range n {
		require.Equal(t, 1, seen[i], "entry %d", i)
	}
	for v, times := range seen {
		require.Equal(t, 1, times, "entry %d", v)
	}
	v, ok := m.Load(ordinary)
	require.True(t, ok)
	require.Equal(t, -1, v)

	resizes := m.Stats().Resizes
	m.Clear()
	m.c.migrated.Wait()
	require.Zero(t, m.c.check())
	require.Greater(t, m.Stats().Resizes, resizes)
}

// A walk sees every entry whose key is NaN.
func TestUnequalKeys_WalksSeeAll(t *testing.T) {
	m := newMap[float64, int](t, Options{})
	const n = 30
	for range n {
		require.NoError(t, m.Store(math.NaN(), 1))
	}
	seen := 0
	for range m.All() {
		seen++
	}
	require.Equal(t, n, m.Len())
	require.Equal(t, n, seen, "All over entries that stay")
}

// Entries whose keys are NaN move within the stretch of hashes that is being moved: where one went to
// another, the mover would write to a bucket that others own, without its lock.
func TestUnequalKeys_MovingThemLosesNoOthers(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	lost, drift := 0, 0
	for range rounds(20) {
		m := newMap[float64, int](t, Options{})
		for range 3000 {
			m.Store(math.NaN(), 1)
		}
		var wg sync.WaitGroup
		for g := range 4 {
			wg.Go(func() {
				for i := range 2000 {
					m.Store(float64(g*100_000+i), i)
				}
			})
		}
		wg.Wait()
		m.c.migrated.Wait()
		for g := range 4 {
			for i := range 2000 {
				if v, ok := m.Load(float64(g*100_000 + i)); !ok || v != i {
					lost++
				}
			}
		}
		entries := 0
		tab := m.c.table.Load()
		for i := range tab.n {
			for b := tab.at(i); b != nil; b = tab.after(b) {
				for s := range b.slots {
					if b.slots[s].Load() != nil {
						entries++
					}
				}
			}
		}
		if entries != m.Len() {
			drift++
		}
	}
	require.Zero(t, lost, "ordinary keys lost")
	require.Zero(t, drift, "maps whose Len is wrong")
}

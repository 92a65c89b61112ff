package smrmap

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

// hits returns how many of n requests a cache of so many entries has; next says which key is asked for.
func hits(t *testing.T, m *Bytes, entries, n int, next func(i int) (key int)) (hits int) {
	size := slab.BlockSize(int(headerSize) + len(key(0)) + 100)
	for i := range n {
		k := next(i)
		if _, ok := m.Load(key(k), nil); ok {
			hits++
			continue
		}
		if m.Len() >= entries {
			require.NotZero(t, m.EvictBytes(size))
		}
		require.NoError(t, m.Store(key(k), valueOf(i, 100)))
	}
	return hits
}

// Three in four requests are for keys drawn by Zipf's law (exponent 0.9), the others for keys that come once.
// A cache of a twentieth of the keys hits as often as by SIEVE or S3-FIFO. (A CLOCK alone has 28 %.)
func TestEvict_HitRatio(t *testing.T) {
	const keys, requests = 5000, 100_000
	sums := make([]float64, keys)
	sum := 0.0
	for i := range sums {
		sum += math.Pow(float64(i+1), -0.9)
		sums[i] = sum
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	m := newBytes(t, Options{})
	n := hits(t, m, keys/20, requests, func(i int) int {
		if rnd.IntN(4) == 0 {
			return keys + i
		}
		k, _ := slices.BinarySearch(sums, rnd.Float64()*sum)
		return k
	})
	require.Greater(t, n, requests*36/100)
	require.LessOrEqual(t, len(m.young.ring), keys/20)
}

// Of the young, those that were read stay, though they are the oldest.
func TestYoung_ReadOnesStay(t *testing.T) {
	m := newBytes(t, Options{})
	m.EvictBytes(1) // from now on
	const n, read = minRing, minRing / 4
	for i := range n {
		require.NoError(t, m.Store(key(i), valueOf(i, 100)))
		if i < read {
			m.Load(key(i), nil)
		}
	}
	m.EvictBytes(n / 2 * slab.BlockSize(int(headerSize)+len(key(0))+100))
	require.Equal(t, n/2, m.Len())
	for i := range n {
		_, ok := m.Load(key(i), nil)
		require.Equal(t, i < read || i >= read+n/2, ok, i)
	}
}

// A key that comes back soon after it was evicted is not young again. (Some are: two may share a mark's place.)
func TestYoung_NotThoseThatComeBack(t *testing.T) {
	m := newBytes(t, Options{})
	m.EvictBytes(1) // from now on
	const n = minRing
	for i := range n {
		require.NoError(t, m.Store(key(i), valueOf(i, 100)))
	}
	require.EqualValues(t, n, m.young.next)
	for m.EvictBytes(1) > 0 {
	}
	require.Zero(t, m.Len())
	for i := range n {
		require.NoError(t, m.Store(key(i), valueOf(i, 100)))
	}
	require.Less(t, m.young.next, uint64(n+n*3/4))
}

// What was evicted is known while the map grows and shrinks.
func TestYoung_KnowsWhatLeftWhileItGrows(t *testing.T) {
	y := young{size: new(charge)}
	y.fit(0)
	const n = minRing / 4
	at := func(i int) uint32 { return uint32(i) * (1 << 32 / n) } // far from each other
	for i := range n {
		y.left([]uint32{at(i)})
	}
	y.fit(100 * minRing)
	y.fit(minRing)
	y.fit(10 * minRing)
	for i := range n {
		y.add(at(i))
	}
	require.Zero(t, y.next)
	for i := range n {
		y.add(at(i))
	}
	require.EqualValues(t, n, y.next, "once they are back they are forgotten")
}

// Where the system has no memory for a larger ring, the old one does. (Go would end the program.)
func TestYoung_SystemHasNoMemory(t *testing.T) {
	y := young{size: new(charge)}
	y.fit(int(min(uint64(math.MaxInt), 1<<50)))
	require.Len(t, y.ring, minRing)
	require.Zero(t, y.size.Load())
	y.add(1)
	hash, ok := y.oldest(0)
	require.True(t, ok)
	require.EqualValues(t, 1, hash)
}

// A map that has not evicted for long notes no keys.
func TestYoung_OnlyWhileSomebodyEvicts(t *testing.T) {
	m := newBytes(t, Options{})
	n := 0
	come := func(keys int) {
		for range keys {
			require.NoError(t, m.Store(key(n), key(n)))
			n++
		}
	}
	come(10)
	require.Zero(t, m.young.next)
	m.EvictBytes(1)
	for range 10 {
		come(minRing)
		require.True(t, m.young.on.Load())
		m.EvictBytes(1)
	}
	come(2*len(m.young.ring) + 1)
	require.False(t, m.young.on.Load())
	m.EvictBytes(1)
	require.True(t, m.young.on.Load())
}

// The budget counts what is noted, for as long as it is there.
func TestYoung_Budget(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newBytes(t, Options{Budget: budget})
	used := func() int64 {
		require.Equal(t, m.Stats().ReservedBytes, budget.Used())
		return budget.Used()
	}
	const n = 20_000
	for i := range n {
		require.NoError(t, m.Store(key(i), key(i)))
	}
	before := used()
	m.EvictBytes(1)
	grown := used() - before
	require.Greater(t, grown, int64(2*n-minRing*ringBytes))
	require.LessOrEqual(t, grown, int64(4*n))
	require.Equal(t, grown, int64(4*len(m.young.ring)+2*len(m.young.gone)-minRing*ringBytes))
	for m.EvictBytes(64<<10) > 0 {
	}
	require.Zero(t, m.young.size.Load())
	for i := range n {
		require.NoError(t, m.Store(key(i), key(i)))
	}
	m.EvictBytes(1)
	require.NotZero(t, m.young.size.Load())
	require.NoError(t, m.Close(watchdogContext(t)))
	require.Zero(t, used())
	m.EvictBytes(1)
	require.Zero(t, used())
}

// The ring keeps the order of the keys, forgets the oldest first, and has room for a part of the entries.
func TestYoung_Ring(t *testing.T) {
	y := young{size: new(charge)}
	y.fit(0)
	require.True(t, y.on.Load())
	at := func(i int) uint32 { return uint32(i) << 8 }
	come := func(from, to int) {
		for i := from; i < to; i++ {
			y.add(at(i))
		}
	}
	expect := func(from, to, leave int) {
		for i := from; i < to; i++ {
			h, ok := y.oldest(leave)
			require.True(t, ok)
			require.Equal(t, at(i), h)
		}
		_, ok := y.oldest(leave)
		require.False(t, ok)
	}
	come(0, 10)
	expect(0, 7, 3)
	expect(7, 10, 0)
	come(10, 110)
	expect(110-minRing, 100, 10)
	y.fit(1000) // it grows
	require.Len(t, y.ring, 256)
	come(110, 310)
	expect(100, 300, 10)
	come(310, 1000)
	y.fit(minRing) // and shrinks
	require.Len(t, y.ring, minRing)
	expect(1000-minRing, 1000, 0)
}

// What evict has in its ring may be gone by then, or have come back, or be another's.
func TestYoung_AreHints(t *testing.T) {
	m := newBytes(t, Options{})
	m.EvictBytes(1) // from now on
	const n = 500
	for i := range n {
		require.NoError(t, m.Store(key(i), valueOf(i, 100)))
		if i%2 == 0 {
			require.True(t, m.Delete(key(i)))
		}
		if i%4 == 0 {
			require.NoError(t, m.Store(key(i), valueOf(i, 100)))
		}
		m.young.add(uint32(i) << 16)
	}
	require.Equal(t, n/2+n/4, m.Len())
	for m.Len() > 0 {
		before := m.Len()
		require.NotZero(t, m.EvictBytes(1000))
		require.Less(t, m.Len(), before)
	}
	require.EqualValues(t, n/2+n/4, m.Stats().Evicted)
}

// What is written again is of use, as what is read: a counter is not evicted before keys that were stored
// once.
func TestYoung_WrittenAgainStays(t *testing.T) {
	m := newBytes(t, Options{})
	m.EvictBytes(1)
	const n = 200
	for i := range n {
		require.NoError(t, m.Store(key(i), make([]byte, 8)))
		require.NoError(t, m.Store(key(0), make([]byte, 8)))
		_, err := m.Compute(key(1), func(Item, bool) (Item, Op) { return Item{Value: make([]byte, 8)}, UpdateOp })
		require.NoError(t, err)
	}
	before := m.Len()
	m.EvictBytes(int(m.Stats().EntryBytes) / 4)
	require.Less(t, m.Len(), before)
	for i := range 2 {
		_, ok := m.Load(key(i), nil)
		require.True(t, ok, i)
	}
}

// Where some entries may be evicted only, the young ones that were met say that there are such.
func TestYoung_AreMet(t *testing.T) {
	m := newBytes(t, Options{})
	m.SetEvictable(EvictExpiring)
	m.EvictBytes(1) // from now on
	for i := range minRing {
		require.NoError(t, m.StoreItem(key(i), Item{Value: valueOf(i, 100), Expires: m.now() + 1e9}))
	}
	for range minRing / 2 {
		require.Positive(t, m.EvictBytes(1))
		require.False(t, m.barren.Load())
	}
}

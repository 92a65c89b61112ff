package smrmap

import (
	"encoding/binary"
	"math/rand/v2"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
)

// Several keys at once are loaded and stored as one after the other: any number, the same key more than
// once, keys that have no entry.
func TestGroup_Oracle(t *testing.T) {
	t.Run("Map", func(t *testing.T) {
		m := newMap[int, value](t, Options{})
		require.True(t, m.OffHeap())
		testGroups(t, m.StoreAll, m.LoadAll, m.Delete, func(i int) int { return i }, func(i int) value { return value{uint64(i), 1} })
	})
	t.Run("Map on the Go heap", func(t *testing.T) {
		m := newMap[string, string](t, Options{})
		require.False(t, m.OffHeap())
		testGroups(t, m.StoreAll, m.LoadAll, m.Delete, strconv.Itoa, strconv.Itoa)
	})
	t.Run("Map in a quarantine", func(t *testing.T) {
		m := newMap[int, value](t, Options{Quarantine: slab.Quarantine{OneIn: 2}})
		testGroups(t, m.StoreAll, m.LoadAll, m.Delete, func(i int) int { return i }, func(i int) value { return value{uint64(i), 1} })
	})
	t.Run("Map with long chains", func(t *testing.T) {
		m := newMap[int, int](t, Options{Budget: slab.NewBudget(1 << 20)})
		m.c.stuck.Store(1 << 40) // it does not grow
		testGroups(t, m.StoreAll, m.LoadAll, m.Delete, func(i int) int { return i }, func(i int) int { return i })
	})
	t.Run("Bytes", func(t *testing.T) {
		m := newBytes(t, Options{})
		bytesOf := func(all []string) [][]byte {
			b := make([][]byte, len(all))
			for i := range b {
				b[i] = []byte(all[i])
			}
			return b
		}
		store := func(keys, values []string) (int, error) { return m.StoreAll(bytesOf(keys), bytesOf(values)) }
		load := func(keys, values []string, found []bool) int {
			s := m.Enter()
			defer s.Leave()
			items := make([]Item, len(keys))
			n := m.LoadAllIn(s, bytesOf(keys), items, found)
			for i, it := range items {
				values[i] = string(it.Value)
				require.Equal(t, found[i], it.Value != nil)
			}
			return n
		}
		remove := func(k string) bool { return m.Delete([]byte(k)) }
		testGroups(t, store, load, remove, strconv.Itoa, func(i int) string { return string(binary.AppendUvarint(nil, uint64(i))) })
	})
}

func testGroups[K, V comparable](t *testing.T, store func([]K, []V) (int, error), load func([]K, []V, []bool) int, remove func(K) bool, key func(int) K, val func(int) V) {
	rnd := rand.New(rand.NewPCG(1, 2))
	want := make(map[K]V)
	var none V
	const most = 3*groupKeys + 1
	for round := range rounds(2000) {
		keys := make([]K, rnd.IntN(most+1))
		values, found := make([]V, len(keys)), make([]bool, len(keys))
		for i := range keys {
			keys[i], values[i], found[i] = key(rnd.IntN(300)), val(round*most+i), i%2 == 0
		}
		switch round % 3 {
		case 0:
			n, err := store(keys, values)
			require.NoError(t, err)
			require.Len(t, keys, n)
			for i, k := range keys {
				want[k] = values[i]
			}
		case 1:
			n := 0
			has := load(keys, values, found)
			for i, k := range keys {
				v, ok := want[k]
				require.Equal(t, ok, found[i], k)
				require.Equal(t, v, values[i], k)
				if ok {
					n++
				} else {
					require.Equal(t, none, values[i])
				}
			}
			require.Equal(t, n, has)
		default:
			for _, k := range keys {
				_, ok := want[k]
				require.Equal(t, ok, remove(k))
				delete(want, k)
			}
		}
	}
	require.Panics(t, func() { load(make([]K, 2), make([]V, 1), make([]bool, 2)) })
	require.Panics(t, func() { load(make([]K, 2), make([]V, 2), make([]bool, 1)) })
	require.Panics(t, func() { store(make([]K, 2), make([]V, 1)) })
}

// StoreAll tells how many it has stored before the memory was used up, or the map was closed.
func TestStoreAll_Errors(t *testing.T) {
	const n = 20_000
	keys, values := make([]int, n), make([]value, n)
	for i := range keys {
		keys[i], values[i] = i, value{uint64(i)}
	}
	m := newMap[int, value](t, Options{Budget: slab.NewBudget(256 << 10)})
	stored, err := m.StoreAll(keys, values)
	require.ErrorIs(t, err, slab.ErrNoMemory)
	require.Equal(t, m.Len(), stored)
	for i := range n {
		_, ok := m.Load(i)
		require.Equal(t, i < stored, ok)
	}
	require.NoError(t, m.Close(watchdogContext(t)))
	stored, err = m.StoreAll(keys, values)
	require.ErrorIs(t, err, ErrClosed)
	require.Zero(t, stored)
	found := make([]bool, n)
	require.Zero(t, m.LoadAll(keys, values, found))
	require.NotContains(t, found, true)
	require.Zero(t, values[1])

	b := newBytes(t, Options{})
	stored, err = b.StoreAll([][]byte{key(1), key(2), key(3)}, [][]byte{nil, make([]byte, MaxLen+1), nil})
	require.ErrorIs(t, err, ErrTooLarge)
	require.Equal(t, 1, stored)
	require.Equal(t, 1, b.Len())
}

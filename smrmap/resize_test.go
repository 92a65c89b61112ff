package smrmap

import (
	"encoding/binary"
	"maps"
	"math/bits"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// What is in the map is found, with its own value, while the map grows and shrinks.
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

// What is stored, replaced and deleted in the middle of a resizing is what readers find,
// with half of the buckets in the next table. The moved ones still hold what they held.
func TestLookup_HalfMoved(t *testing.T) {
	type reader = func(k int) (v int, ok bool)
	test := func(t *testing.T, c *core, store func(k, v int) error, remove func(k int) bool, readers map[string]reader, all func() map[int]int) {
		const n = 24
		want := make(map[int]int)
		put := func(k, v int) {
			require.NoError(t, store(k, v))
			want[k] = v
		}
		check := func() {
			for name, read := range readers {
				for k := range 2 * n {
					v, ok := read(k)
					old, had := want[k]
					require.Equal(t, had, ok, "%s of %d", name, k)
					require.Equal(t, old, v, "%s of %d", name, k)
				}
			}
			require.Equal(t, want, all())
		}
		for k := range n {
			put(k, k)
		}
		finish := c.halfway(t)
		check()
		for k := range n {
			switch k % 3 {
			case 0:
				put(k, k+1000)
			case 1:
				require.True(t, remove(k))
				delete(want, k)
			}
			if k%4 == 0 {
				put(k+n, k)
			}
		}
		check()
		finish()
		check()
	}
	t.Run("Map", func(t *testing.T) {
		m := newMap[int, int](t, Options{})
		require.True(t, m.OffHeap())
		test(t, &m.c, m.Store, m.Delete, map[string]reader{"Load": m.Load, "LoadAll": loadOneOf(m), "LoadIn": func(k int) (v int, ok bool) {
			m.dom.Read(func(s smr.Section) {
				var p *int
				if p, ok = m.LoadIn(s, k); ok {
					v = *p
				}
			})
			return v, ok
		}}, func() map[int]int { return maps.Collect(m.All()) })
	})
	t.Run("Map on the Go heap", func(t *testing.T) {
		m := newMap[string, *int](t, Options{})
		require.False(t, m.OffHeap())
		value := func(p *int, ok bool) (int, bool) {
			if !ok {
				return 0, false
			}
			return *p, true
		}
		test(t, &m.c, func(k, v int) error { return m.Store(strconv.Itoa(k), &v) },
			func(k int) bool { return m.Delete(strconv.Itoa(k)) },
			map[string]reader{
				"Load":    func(k int) (int, bool) { return value(m.Load(strconv.Itoa(k))) },
				"LoadAll": func(k int) (int, bool) { return value(loadOneOf(m)(strconv.Itoa(k))) },
				"LoadIn": func(k int) (v int, ok bool) {
					m.dom.Read(func(s smr.Section) {
						var p **int
						if p, ok = m.LoadIn(s, strconv.Itoa(k)); ok {
							v = **p
						}
					})
					return v, ok
				},
			}, func() map[int]int {
				all := make(map[int]int)
				for k, p := range m.All() {
					i, err := strconv.Atoi(k)
					require.NoError(t, err)
					all[i] = *p
				}
				return all
			})
	})
	t.Run("Bytes", func(t *testing.T) {
		m := newBytes(t, Options{})
		number := func(b []byte) int { return int(binary.BigEndian.Uint32(b[len("key"):])) }
		test(t, &m.c, func(k, v int) error { return m.Store(key(k), key(v)) },
			func(k int) bool { return m.Delete(key(k)) },
			map[string]reader{
				"Load": func(k int) (int, bool) {
					v, ok := m.Load(key(k), nil)
					if !ok {
						return 0, false
					}
					return number(v), true
				},
				"LoadAllIn": func(k int) (v int, ok bool) {
					m.dom.Read(func(s smr.Section) {
						var items [3]Item
						var found [3]bool
						m.LoadAllIn(s, [][]byte{key(0), key(k), key(1)}, items[:], found[:])
						if ok = found[1]; ok {
							v = number(items[1].Value)
						}
					})
					return v, ok
				},
				"LoadIn": func(k int) (v int, ok bool) {
					m.dom.Read(func(s smr.Section) {
						var it Item
						if it, ok = m.LoadIn(s, key(k)); ok {
							v = number(it.Value)
						}
					})
					return v, ok
				},
			}, func() map[int]int {
				all := make(map[int]int)
				for k, it := range m.All() {
					all[number(k)] = number(it.Value)
				}
				return all
			})
	})
}

// loadOneOf returns a Load that is one of several.
func loadOneOf[K comparable, V any](m *Map[K, V]) func(K) (V, bool) {
	return func(k K) (V, bool) {
		keys := make([]K, groupKeys+3)
		for i := range keys {
			keys[i] = k
		}
		values, found := make([]V, len(keys)), make([]bool, len(keys))
		if n := m.LoadAll(keys, values, found); n != 0 && n != len(keys) {
			panic("of equal keys some are found")
		}
		return values[len(keys)-1], found[len(keys)-1]
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

// A map that is emptied while its budget is used up, and a reader keeps what was retired, has a small
// table in the end.
func TestMap_ShrinksWithoutRoom(t *testing.T) {
	budget := slab.NewBudget(0)
	m := newMap[uint64, value](t, Options{Budget: budget})
	n := reduced(100_000, 25_000)
	for k := range uint64(n) {
		require.NoError(t, m.Store(k, value{}))
	}
	m.c.migrated.Wait()
	budget.SetLimit(budget.Used())
	s := m.dom.Enter() // a slow reader
	for k := range uint64(n) {
		m.Delete(k)
	}
	m.c.migrated.Wait()
	s.Leave()
	require.NoError(t, m.dom.Barrier(watchdogContext(t)))
	m.c.migrated.Wait()
	st := m.Stats()
	t.Logf("%d buckets, %d resizes, budget %d of %d used", st.Buckets, st.Resizes, budget.Used(), budget.Limit())
	m.Load(1)
	require.LessOrEqual(t, m.Stats().Buckets, 64, "an empty map at rest, with %d bytes free in the budget", budget.Limit()-budget.Used())
}

// Two buckets that become one are marked before either is released: by way of the first, Clear and eviction
// delete what is in both, and a reader that comes by the second must not find it any more.
func TestMove_PairAtOnce(t *testing.T) {
	m := newMap[int, int](t, Options{})
	c := &m.c
	c.resizing.Lock()
	defer c.resizing.Unlock()
	replace := func(logn int) (old *table) {
		old = c.table.Load()
		next, err := newTable(logn, c.heap, true, nil)
		require.NoError(t, err)
		old.next.Store(next)
		return old
	}
	logn := bits.Len(uint(c.table.Load().n)) // of twice the size
	c.migrate(replace(logn))
	pair := replace(logn - 1)
	k := 0
	for pair.bucket(m.hash(k)) != pair.at(1) {
		k++
	}
	require.NoError(t, m.Store(k, k))

	lot := c.lots.of(pair.at(0))
	lot.mu.Lock() // the mover waits here when it has released the first bucket
	lot.parked.Store(uint64(len(lot.waiters)) + 1)
	done := make(chan struct{})
	go func() {
		defer close(done)
		c.migrate(pair)
	}()
	for pair.at(0).ctl.Load()&(moved|locked) != moved {
		runtime.Gosched()
	}
	for range 1000 { // it is about to find that
		runtime.Gosched()
	}
	lot.parked.Store(uint64(len(lot.waiters)))
	n := 0
	c.unlink(0, func(ref) bool { return true }, func(e ref) {
		n++
		m.retire(m.entry(e))
	})
	_, ok := m.Load(k)
	lot.mu.Unlock()
	<-done
	require.Equal(t, 1, n)
	require.False(t, ok, "it is found after it was deleted")
}

package smrmap

import (
	"fmt"
	"sync"
	"testing"

	"github.com/puzpuzpuz/xsync/v3"
)

// BenchmarkAbsent deletes keys that are not there, of 1000 that are: next to its peers.
func BenchmarkAbsent(b *testing.B) {
	const n = 1000
	m := newMap[uint64, value](b, Options{})
	bytes := newBytes(b, Options{})
	x := xsync.NewMapOf[uint64, value]()
	var s sync.Map
	for i := range uint64(n) {
		m.Store(i, value{i})
		bytes.Store(key(int(i)), []byte("value"))
		x.Store(i, value{i})
		s.Store(i, value{i})
	}
	absent := make([][]byte, n)
	for i := range absent {
		absent[i] = key(i + n)
	}
	for name, remove := range map[string]func(i int){
		"Map.Delete":        func(i int) { m.Delete(uint64(n + i)) },
		"Map.LoadAndDelete": func(i int) { m.LoadAndDelete(uint64(n + i)) },
		"Bytes.Delete":      func(i int) { bytes.Delete(absent[i]) },
		"xsync.Delete":      func(i int) { x.Delete(uint64(n + i)) },
		"sync.Map.Delete":   func(i int) { s.Delete(uint64(n + i)) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				remove(i % n)
			}
		})
	}
}

// A wrapped map is in a generic type, as users have it.
type wrapped[K comparable, V any, M interface{ Load(K) (V, bool) }] struct{ m M }

func (w wrapped[K, V, M]) Load(k K) (V, bool) { return w.m.Load(k) }

// BenchmarkWrapped loads from maps of 1000, as they are and behind a generic type: next to xsync. Only
// figures of one run compare: between runs all of them differ by up to 1.7 times.
func BenchmarkWrapped(b *testing.B) {
	ints, strs := newMap[int, int](b, Options{}), newMap[string, int](b, Options{})
	xints, xstrs := xsync.NewMapOf[int, int](), xsync.NewMapOf[string, int]()
	var keys [1024]string
	for i := range keys {
		keys[i] = fmt.Sprintf("key %d of a length that is usual", i)
		ints.Store(i, i)
		strs.Store(keys[i], i)
		xints.Store(i, i)
		xstrs.Store(keys[i], i)
	}
	intLoads := func(name string, load func(int) (int, bool)) {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i += 7 {
				load(i % len(keys))
			}
		})
	}
	strLoads := func(name string, load func(string) (int, bool)) {
		b.Run(name, func(b *testing.B) {
			for i := 0; b.Loop(); i += 7 {
				load(keys[i%len(keys)])
			}
		})
	}
	intLoads("int/Map", ints.Load)
	intLoads("int/Map-wrapped", wrapped[int, int, *Map[int, int]]{ints}.Load)
	intLoads("int/xsync", xints.Load)
	intLoads("int/xsync-wrapped", wrapped[int, int, *xsync.MapOf[int, int]]{xints}.Load)
	strLoads("string/Map", strs.Load)
	strLoads("string/Map-wrapped", wrapped[string, int, *Map[string, int]]{strs}.Load)
	strLoads("string/xsync", xstrs.Load)
	strLoads("string/xsync-wrapped", wrapped[string, int, *xsync.MapOf[string, int]]{xstrs}.Load)
}

// BenchmarkWalk walks over all entries: an operation is one entry.
func BenchmarkWalk(b *testing.B) {
	for _, n := range []int{1000, 200_000} {
		m := newMap[uint64, value](b, Options{})
		heap := newMap[uint64, *value](b, Options{})
		bytes := newBytes(b, Options{})
		x := xsync.NewMapOf[uint64, value]()
		var s sync.Map
		for i := range uint64(n) {
			m.Store(i, value{i})
			heap.Store(i, &value{i})
			bytes.Store(key(int(i)), []byte("value"))
			x.Store(i, value{i})
			s.Store(i, &value{i})
		}
		for name, walk := range map[string]func() int{
			"Map": func() (seen int) {
				for range m.All() {
					seen++
				}
				return seen
			},
			"Map on the Go heap": func() (seen int) {
				for range heap.All() {
					seen++
				}
				return seen
			},
			"Bytes": func() (seen int) {
				for range bytes.All() {
					seen++
				}
				return seen
			},
			"xsync": func() (seen int) {
				x.Range(func(uint64, value) bool { seen++; return true })
				return seen
			},
			"sync.Map": func() (seen int) {
				s.Range(func(any, any) bool { seen++; return true })
				return seen
			},
		} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				b.ReportAllocs()
				walks := 0
				for b.Loop() {
					if walk() != n {
						b.Fatal("not all were seen")
					}
					walks++
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(walks)/float64(n), "ns/entry")
			})
		}
	}
}

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

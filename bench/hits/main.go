// Command hits prints how often caches of equal memory hit, on traces that are made by formula: requests by
// Zipf's law; the same with a fourth for keys that come once; and with scans. A miss stores the entry.
//
//	go run ./bench/hits
//	go run ./bench/hits -keys 100000 -requests 500000    # quicker
package main

import (
	"context"
	"encoding/binary"
	"flag"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"time"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/allegro/bigcache/v3"
	"github.com/coocood/freecache"
	"github.com/dgraph-io/ristretto/v2"
	"github.com/maypok86/otter/v2"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

const (
	keyBytes, valueBytes = 16, 100
	entryBytes           = 160 // of the budget, for each key that a cache is to have room for
)

// A cache finds a key or stores it, and reports whether it was there. It is nil if it can't be that small.
type cache func(key, value []byte) (hit bool)

var caches = []struct {
	name string
	make func(bytes int) cache
}{
	{"smrmap.Bytes", newBytes}, {"otter v2", newOtter}, {"ristretto", newRistretto},
	{"freecache", newFreecache}, {"bigcache", newBigcache}, {"fastcache", newFastcache},
}

func main() {
	keys := flag.Int("keys", 1_000_000, "popular `keys`")
	requests := flag.Int("requests", 4_000_000, "`number` of requests, of which the first third does not count")
	flag.Parse()
	fmt.Print("| trace | of the keys |")
	for _, c := range caches {
		fmt.Printf(" %s |", c.name)
	}
	fmt.Println("\n|---|---|---|---|---|---|---|---|")
	for _, exponent := range []float64{0.7, 0.9, 1.2} {
		for _, kind := range []string{"zipf", "zipf, a fourth once", "zipf, scans"} {
			trace := makeTrace(kind, exponent, *keys, *requests)
			for _, share := range []float64{0.01, 0.05, 0.25} {
				fmt.Printf("| %s %.1f | %.0f %% |", kind, exponent, 100*share)
				for _, c := range caches {
					if get := c.make(int(share*float64(*keys)) * entryBytes); get != nil {
						fmt.Printf(" %.1f |", 100*ratio(trace, get))
					} else {
						fmt.Print(" - |")
					}
					runtime.GC()
				}
				fmt.Println()
			}
		}
	}
}

// makeTrace returns the numbers of the keys that are asked for.
func makeTrace(kind string, exponent float64, keys, requests int) []uint32 {
	sums := make([]float64, keys)
	sum := 0.0
	for i := range sums {
		sum += math.Pow(float64(i+1), -exponent)
		sums[i] = sum
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	trace := make([]uint32, requests)
	once := uint32(keys)
	for i := range trace {
		isOnce := kind == "zipf, a fourth once" && rnd.IntN(4) == 0 ||
			kind == "zipf, scans" && i*10/keys%4 == 3 // three tenths of the keys, then a scan of one tenth
		if isOnce {
			trace[i] = once
			once++
		} else {
			k, _ := slices.BinarySearch(sums, rnd.Float64()*sum)
			trace[i] = uint32(k)
		}
	}
	return trace
}

func ratio(trace []uint32, get cache) float64 {
	hits, warm := 0, len(trace)/3
	key, value := make([]byte, keyBytes), make([]byte, valueBytes)
	for i, k := range trace {
		x := uint64(k+1) * 0x9e3779b97f4a7c15
		binary.LittleEndian.PutUint64(key, x)
		binary.LittleEndian.PutUint64(key[8:], x*0xd6e8feb86659fd93) // not ^x: of FNV's lowest bit all keys had the same
		if get(key, value) && i >= warm {
			hits++
		}
	}
	return float64(hits) / float64(len(trace)-warm)
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

func newBytes(bytes int) cache {
	m, err := smrmap.NewBytes(smrmap.Options{Budget: slab.NewBudget(int64(bytes))})
	must(err)
	dst := make([]byte, 0, valueBytes)
	return func(key, value []byte) bool {
		if _, ok := m.Load(key, dst); ok {
			return true
		}
		must(m.StoreEvicting(context.Background(), key, smrmap.Item{Value: value}))
		return false
	}
}

// perEntry returns what an entry takes of the heap, in a cache that fill makes and fills.
func perEntry(fill func(n int) (done func())) int {
	const sample = 50_000
	heap := func() int {
		var st runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&st)
		return int(st.HeapAlloc)
	}
	before := heap()
	done := fill(sample)
	defer done()
	return max(1, (heap()-before)/sample)
}

func keyOf(i int) string {
	return string(binary.LittleEndian.AppendUint64(make([]byte, 8, keyBytes), uint64(i)))
}

// newOtter counts entries by what one takes of the heap.
func newOtter(bytes int) cache {
	create := func(n int) *otter.Cache[string, []byte] {
		return otter.Must(&otter.Options[string, []byte]{MaximumSize: n})
	}
	each := perEntry(func(n int) func() {
		m := create(n)
		for i := range n {
			m.Set(keyOf(i), make([]byte, valueBytes))
		}
		m.CleanUp()
		return func() { m.StopAllGoroutines() }
	})
	m := create(bytes / each)
	return func(key, value []byte) bool {
		if _, ok := m.GetIfPresent(string(key)); ok {
			return true
		}
		m.Set(string(key), append([]byte(nil), value...))
		return false
	}
}

// newRistretto counts entries as newOtter does, and waits for each to be in.
func newRistretto(bytes int) cache {
	create := func(n int) *ristretto.Cache[string, []byte] {
		m, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
			NumCounters: int64(10 * n), MaxCost: int64(n), BufferItems: 64, IgnoreInternalCost: true,
		})
		must(err)
		return m
	}
	each := perEntry(func(n int) func() {
		m := create(n)
		for i := range n {
			m.Set(keyOf(i), make([]byte, valueBytes), 1)
			m.Wait()
		}
		return m.Close
	})
	m := create(bytes / each)
	return func(key, value []byte) bool {
		if _, ok := m.Get(string(key)); ok {
			return true
		}
		m.Set(string(key), append([]byte(nil), value...), 1)
		m.Wait()
		return false
	}
}

func newBigcache(bytes int) cache {
	if bytes < 4<<20 {
		return nil // its unit is a MiB
	}
	m, err := bigcache.New(context.Background(), bigcache.Config{
		Shards: 16, LifeWindow: time.Hour, MaxEntriesInWindow: bytes / entryBytes, MaxEntrySize: entryBytes,
		HardMaxCacheSize: bytes >> 20,
	})
	must(err)
	return func(key, value []byte) bool {
		if _, err := m.Get(string(key)); err == nil {
			return true
		}
		must(m.Set(string(key), value))
		return false
	}
}

func newFastcache(bytes int) cache {
	if bytes < 32<<20 {
		return nil // it takes as much at least
	}
	m := fastcache.New(bytes)
	dst := make([]byte, 0, valueBytes)
	return func(key, value []byte) bool {
		if m.Has(key) {
			dst = m.Get(dst[:0], key)
			return true
		}
		m.Set(key, value)
		return false
	}
}

func newFreecache(bytes int) cache {
	m := freecache.NewCache(bytes)
	dst := make([]byte, valueBytes)
	return func(key, value []byte) bool {
		if _, err := m.GetWithBuf(key, dst); err == nil {
			return true
		}
		must(m.Set(key, value, 0))
		return false
	}
}

package main

import (
	"context"
	"fmt"
	"math/rand"
	"regexp"
	"runtime"
	"sync"
	"time"

	xsync3 "github.com/puzpuzpuz/xsync/v3"
	xsync4 "github.com/puzpuzpuz/xsync/v4"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type value [4]uint64

// work is a list of operations: a key's number, and above it whether to store to it.
type work []uint32

const (
	store  = 1 << 31
	spread = 0x9e3779b97f4a7c15 // from a key's number to the key
)

// A subject is a map that was made for one measurement. do executes work on it; each
// peer has a loop of its own, so that no call comes between it and its map.
type subject struct {
	do    func(work) uint64
	bytes func() int64 // that it takes outside the Go heap
	rest  func()       // waits until what it does in the background is done
	close func()
}

type peer struct {
	name string
	make func() subject
}

// The first is ours.
var peers = []peer{
	{"smrmap", newSMR},
	{"xsync v4", newXsync4},
	{"xsync v3", newXsync3},
	{"sync.Map", newSyncMap},
	{"RWMutex+map", newLocked},
}

func newSMR() subject {
	d, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	m, err := smrmap.New[uint64, value](smrmap.Options{Domain: d})
	if err != nil {
		panic(err)
	}
	return subject{
		do: func(w work) (sum uint64) {
			for i, x := range w {
				k := uint64(x&^store) * spread
				if x&store == 0 {
					v, _ := m.Load(k)
					sum += v[0]
				} else {
					m.Store(k, value{k, uint64(i)})
				}
			}
			return sum
		},
		bytes: func() int64 {
			st := m.Stats()
			return st.ReservedBytes - int64(st.Buckets)*64 // the table is in the Go heap's count
		},
		rest: func() {
			for before := m.Stats(); ; {
				time.Sleep(100 * time.Millisecond)
				now := m.Stats()
				if now.Resizes == before.Resizes && now.ReservedBytes == before.ReservedBytes {
					return
				}
				before = now
			}
		},
		close: func() {
			if err := m.Close(context.Background()); err != nil {
				panic(err)
			}
			if err := d.Close(context.Background()); err != nil {
				panic(err)
			}
		},
	}
}

func newXsync4() subject {
	m := xsync4.NewMap[uint64, value]()
	return subject{do: func(w work) (sum uint64) {
		for i, x := range w {
			k := uint64(x&^store) * spread
			if x&store == 0 {
				v, _ := m.Load(k)
				sum += v[0]
			} else {
				m.Store(k, value{k, uint64(i)})
			}
		}
		return sum
	}}
}

func newXsync3() subject {
	m := xsync3.NewMapOf[uint64, value]()
	return subject{do: func(w work) (sum uint64) {
		for i, x := range w {
			k := uint64(x&^store) * spread
			if x&store == 0 {
				v, _ := m.Load(k)
				sum += v[0]
			} else {
				m.Store(k, value{k, uint64(i)})
			}
		}
		return sum
	}}
}

func newSyncMap() subject {
	m := new(sync.Map)
	return subject{do: func(w work) (sum uint64) {
		for i, x := range w {
			k := uint64(x&^store) * spread
			if x&store == 0 {
				if v, ok := m.Load(k); ok {
					sum += v.(value)[0]
				}
			} else {
				m.Store(k, value{k, uint64(i)})
			}
		}
		return sum
	}}
}

func newLocked() subject {
	m := make(map[uint64]value)
	var mu sync.RWMutex
	return subject{do: func(w work) (sum uint64) {
		for i, x := range w {
			k := uint64(x&^store) * spread
			if x&store == 0 {
				mu.RLock()
				v := m[k]
				mu.RUnlock()
				sum += v[0]
			} else {
				mu.Lock()
				m[k] = value{k, uint64(i)}
				mu.Unlock()
			}
		}
		return sum
	}}
}

// measure fills a map of the peer's with n entries and measures everything on it once.
func measure(r *results, p peer, n int, procs []int, want *regexp.Regexp, seed uint64) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	runtime.GC()
	before := heapBytes()
	s := p.make()
	fill := make(work, n)
	for i := range fill {
		fill[i] = uint32(i) | store
	}
	start := time.Now()
	sum := s.do(fill)
	if want.MatchString("fill") {
		r.add("fill, ns for each", p.name, float64(time.Since(start).Nanoseconds())/float64(n))
	}
	fill = nil
	if s.rest != nil {
		s.rest()
	}
	if want.MatchString("bytes per entry") {
		runtime.GC()
		bytes := heapBytes() - before
		if s.bytes != nil {
			bytes += s.bytes()
		}
		r.add("bytes per entry", p.name, float64(bytes)/float64(n))
	}
	if want.MatchString("gc") {
		var times []float64
		for range 5 {
			start := time.Now()
			runtime.GC()
			times = append(times, float64(time.Since(start).Microseconds())/1000)
		}
		r.add("forced gc, ms", p.name, median(times))
	}
	rnd := rand.New(rand.NewSource(int64(seed)))
	zipf := rand.NewZipf(rnd, 1.1, 1, uint64(n-1))
	for _, dist := range []struct {
		name string
		next func() uint32
	}{
		{"uniform", func() uint32 { return uint32(rnd.Intn(n)) }},
		{"zipf", func() uint32 { return uint32(zipf.Uint64()) }},
	} {
		for _, reads := range []int{100, 99, 90, 50, 0} {
			for _, np := range procs {
				name := mixName(reads, dist.name, np)
				if !want.MatchString(name) {
					continue
				}
				w := make(work, 1<<20)
				for i := range w {
					if w[i] = dist.next(); rnd.Intn(100) >= reads {
						w[i] |= store
					}
				}
				runtime.GOMAXPROCS(np)
				sum += s.do(w[:1<<16])
				r.add(name, p.name, timeWork(s, w, np))
			}
		}
	}
	if s.close != nil {
		s.close()
	}
	sink = sum
}

var sink uint64

func mixName(reads int, dist string, procs int) string {
	what := fmt.Sprintf("%d %% loads", reads)
	switch reads {
	case 100:
		what = "load"
	case 0:
		what = "store over"
	}
	return fmt.Sprintf("%s, %s, %d procs, ns", what, dist, procs)
}

// timeWork returns the nanoseconds for one operation when np goroutines do the work, each
// from another place in it, for about a third of a second.
func timeWork(s subject, w work, np int) float64 {
	const piece = 1 << 14
	var mu sync.Mutex
	var wg sync.WaitGroup
	var ops int
	start := time.Now()
	for g := range np {
		wg.Go(func() {
			done := 0
			for at := g * len(w) / np; ; at = (at + piece) % len(w) {
				s.do(w[at:min(at+piece, len(w))])
				done += min(piece, len(w)-at)
				if time.Since(start) > 300*time.Millisecond {
					break
				}
			}
			mu.Lock()
			defer mu.Unlock()
			ops += done
		})
	}
	wg.Wait()
	return float64(time.Since(start).Nanoseconds()) * float64(np) / float64(ops)
}

func heapBytes() int64 {
	var st runtime.MemStats
	runtime.ReadMemStats(&st)
	return int64(st.HeapAlloc)
}

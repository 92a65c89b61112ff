package main

import (
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	memdb "github.com/hashicorp/go-memdb"
	"github.com/maypok86/otter/v2"
	xsync3 "github.com/puzpuzpuz/xsync/v3"
	xsync4 "github.com/puzpuzpuz/xsync/v4"

	"github.com/gosmr/gosmr/bench/internal/relativistic"
	"github.com/gosmr/gosmr/smrmap"
)

type value [4]uint64

// work is a list of operations: a key's number, and above it whether to store to it.
type work []uint32

const (
	store  = 1 << 31
	spread = 0x9e3779b97f4a7c15 // from a key's number to the key
)

// A table is a map in use. do executes work on it: each peer has a loop of its own, so
// that no call comes between it and its map.
type table struct {
	do    func(work) uint64
	fill  func(n int)  // nil: by do
	bytes func() int64 // that it takes outside the Go heap
	rest  func()       // waits until what it does in the background is done
	close func()
}

type tablePeer struct {
	name string
	make func(n int) table
	most int // entries; 0: any number
}

func mapPeers() []tablePeer {
	if portable {
		return []tablePeer{{self, newSMR, 0}}
	}
	return []tablePeer{
		{"gosmr-map", newSMR, 0},
		{"gosmr-relativistic", newRelativistic, 0},
		{"xsync-v4", newXsync4, 0},
		{"xsync-v3", newXsync3, 0},
		{"sync.Map", newSyncMap, 0},
		{"RWMutex+map", newLocked, 0},
		{"otter-v2", newOtter, 0},
		{"go-memdb", newMemdb, 100_000},
		{"map-copied", newCopiedMap, 1000},
	}
}

func maps() (all []entry) {
	for _, p := range mapPeers() {
		all = append(all, entry{"map", p.name, func(j job) (values, error) { return tableValues(j, p, mapMixes) }})
	}
	return all
}

// A mix is what some of the time of a measurement goes to.
type mix struct {
	metric string
	loads  int // of 100
	zipf   bool
}

var mapMixes = []mix{
	{"load", 100, false}, {"load99", 99, false}, {"load90", 90, false}, {"load50", 50, false}, {"store", 0, false},
	{"zipf-load", 100, true}, {"zipf-load90", 90, true},
}

func tableValues(j job, p tablePeer, mixes []mix) (values, error) {
	if p.most > 0 && j.param > p.most {
		return nil, errParam
	}
	t, v := filled(j, p)
	for _, m := range mixes {
		w := m.work(j)
		if m.loads == 100 {
			sink.Store(t.do(w)) // into the caches, where they are large enough
		}
		v[m.metric] = timeWork(t, w, j.procs, j.for_/time.Duration(len(mixes)))
	}
	if t.close != nil {
		t.close()
	}
	return v, nil
}

// filled returns a table with its entries in it, and what memory they take.
func filled(j job, p tablePeer) (table, values) {
	runtime.GC()
	before := heapBytes()
	t := p.make(j.param)
	if t.fill != nil {
		t.fill(j.param)
	} else {
		w := make(work, j.param)
		for i := range w {
			w[i] = uint32(i) | store
		}
		sink.Store(t.do(w))
	}
	if t.rest != nil {
		t.rest()
	}
	runtime.GC()
	bytes := heapBytes() - before
	if t.bytes != nil {
		bytes += t.bytes()
	}
	return t, values{"bytes": float64(bytes) / float64(j.param)}
}

func (m mix) work(j job) work {
	rnd := rand.New(rand.NewSource(int64(j.seed)))
	zipf := rand.NewZipf(rnd, 1.1, 1, uint64(j.param-1))
	w := make(work, 1<<18)
	for i := range w {
		if m.zipf {
			w[i] = uint32(zipf.Uint64())
		} else {
			w[i] = uint32(rnd.Intn(j.param))
		}
		if rnd.Intn(100) >= m.loads {
			w[i] |= store
		}
	}
	return w
}

// timeWork returns the nanoseconds of one operation when goroutines do the work, each
// from another place in it.
func timeWork(t table, w work, procs int, d time.Duration) float64 {
	const piece = 1 << 10
	return nsPerOp(procs, d, piece, func(g int) (func(int), func()) {
		at := g * len(w) / procs
		return func(n int) {
			sink.Store(t.do(w[at : at+n]))
			if at += n; at+n > len(w) {
				at = 0
			}
		}, nil
	})
}

func heapBytes() int64 {
	var st runtime.MemStats
	runtime.ReadMemStats(&st)
	return int64(st.HeapAlloc)
}

func newSMR(int) table {
	d := newDomain()
	m := got(smrmap.New[uint64, value](smrmap.Options{Domain: d}))
	return table{
		do: func(w work) (sum uint64) {
			for i, x := range w {
				k := uint64(x&^store) * spread
				if x&store == 0 {
					v, _ := m.Load(k)
					sum += v[0]
				} else {
					must(m.Store(k, value{k, uint64(i)}))
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
			must(m.Close(background_))
			must(d.Close(background_))
		},
	}
}

// newRelativistic is the hash table that package smrq has as an example.
func newRelativistic(int) table {
	t := got(relativistic.New())
	return table{
		do: func(w work) (sum uint64) {
			for i, x := range w {
				k := uint64(x&^store) * spread
				if x&store == 0 {
					v, _ := t.Load(k)
					sum += v[0]
				} else {
					must(t.Store(k, value{k, uint64(i)}))
				}
			}
			return sum
		},
		bytes: t.Bytes,
		close: func() { must(t.Close(background_)) },
	}
}

func newXsync4(int) table {
	m := xsync4.NewMap[uint64, value]()
	return table{do: func(w work) (sum uint64) {
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

func newXsync3(int) table {
	m := xsync3.NewMapOf[uint64, value]()
	return table{do: func(w work) (sum uint64) {
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

func newSyncMap(int) table {
	m := new(sync.Map)
	return table{do: func(w work) (sum uint64) {
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

func newLocked(int) table {
	m := make(map[uint64]value)
	var mu sync.RWMutex
	return table{do: func(w work) (sum uint64) {
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

// newOtter is a cache with room for all.
func newOtter(n int) table {
	m := otter.Must(&otter.Options[uint64, value]{MaximumSize: 2 * n})
	return table{
		do: func(w work) (sum uint64) {
			for i, x := range w {
				k := uint64(x&^store) * spread
				if x&store == 0 {
					v, _ := m.GetIfPresent(k)
					sum += v[0]
				} else {
					m.Set(k, value{k, uint64(i)})
				}
			}
			return sum
		},
		rest:  m.CleanUp,
		close: func() { m.StopAllGoroutines() },
	}
}

type row struct {
	Key   uint64
	Value value
}

// newMemdb has a transaction for each operation.
func newMemdb(int) table {
	db := got(memdb.NewMemDB(&memdb.DBSchema{Tables: map[string]*memdb.TableSchema{"rows": {
		Name: "rows",
		Indexes: map[string]*memdb.IndexSchema{"id": {
			Name: "id", Unique: true, Indexer: &memdb.UintFieldIndex{Field: "Key"},
		}},
	}}}))
	return table{
		do: func(w work) (sum uint64) {
			for i, x := range w {
				k := uint64(x&^store) * spread
				if x&store == 0 {
					txn := db.Txn(false)
					r, err := txn.First("rows", "id", k)
					must(err)
					sum += r.(*row).Value[0]
				} else {
					txn := db.Txn(true)
					must(txn.Insert("rows", &row{k, value{k, uint64(i)}}))
					txn.Commit()
				}
			}
			return sum
		},
		fill: func(n int) {
			txn := db.Txn(true)
			for i := range n {
				k := uint64(i) * spread
				must(txn.Insert("rows", &row{k, value{k}}))
			}
			txn.Commit()
		},
	}
}

// newCopiedMap is copied for each change.
func newCopiedMap(n int) table {
	var mu sync.Mutex
	var p atomic.Pointer[map[uint64]value]
	p.Store(&map[uint64]value{})
	return table{
		do: func(w work) (sum uint64) {
			for i, x := range w {
				k := uint64(x&^store) * spread
				if x&store == 0 {
					sum += (*p.Load())[k][0]
					continue
				}
				mu.Lock()
				m := make(map[uint64]value, n)
				for k, v := range *p.Load() {
					m[k] = v
				}
				m[k] = value{k, uint64(i)}
				p.Store(&m)
				mu.Unlock()
			}
			return sum
		},
		fill: func(n int) {
			m := make(map[uint64]value, n)
			for i := range n {
				k := uint64(i) * spread
				m[k] = value{k}
			}
			p.Store(&m)
		},
	}
}

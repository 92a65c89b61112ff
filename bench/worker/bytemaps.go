package main

import (
	"encoding/binary"
	"sync"

	"github.com/VictoriaMetrics/fastcache"
	"github.com/coocood/freecache"
	"github.com/maypok86/otter/v2"
	xsync4 "github.com/puzpuzpuz/xsync/v4"

	"github.com/gosmr/gosmr/smrmap"
)

const (
	keyBytes   = 16
	valueBytes = 100
)

var byteMixes = []mix{{"load", 100, false}, {"load90", 90, false}, {"store", 0, false}, {"zipf-load", 100, true}}

func byteMaps() (all []entry) {
	peers := []tablePeer{
		{"gosmr-bytes-lent", func(int) table { return newBytes(true) }, 0},
		{"gosmr-bytes-copied", func(int) table { return newBytes(false) }, 0},
		{"fastcache", newFastcache, 0},
		{"freecache", newFreecache, 0},
		{"otter-v2", newOtterBytes, 0},
		{"xsync-v4", newXsyncBytes, 0},
		{"RWMutex+map", newLockedBytes, 0},
	}
	if portable {
		peers = []tablePeer{{self, func(int) table { return newBytes(true) }, 0}}
	}
	for _, p := range peers {
		all = append(all, entry{"bytes", p.name, func(j job) (values, error) { return tableValues(j, p, byteMixes) }})
	}
	return all
}

// scratch is what a goroutine makes keys and values in.
type scratch struct {
	key   [keyBytes]byte
	value [valueBytes]byte
	dst   []byte
}

func newScratch() *scratch { return &scratch{dst: make([]byte, 0, valueBytes)} }

func (s *scratch) keyOf(x uint32) []byte {
	k := uint64(x&^store) * spread
	binary.LittleEndian.PutUint64(s.key[:], k)
	binary.LittleEndian.PutUint64(s.key[8:], ^k)
	return s.key[:]
}

func (s *scratch) valueOf(i int) []byte {
	binary.LittleEndian.PutUint64(s.value[:], uint64(i))
	return s.value[:]
}

func number(value []byte) uint64 { return binary.LittleEndian.Uint64(value) }

func newBytes(lend bool) table {
	d := newDomain()
	m := got(smrmap.NewBytes(smrmap.Options{Domain: d}))
	return table{
		do: func(w work) (sum uint64) {
			s := newScratch()
			for i, x := range w {
				k := s.keyOf(x)
				switch {
				case x&store != 0:
					must(m.Store(k, s.valueOf(i)))
				case lend:
					sec := d.Enter()
					it, _ := m.LoadIn(sec, k)
					sum += number(it.Value)
					sec.Leave()
				default:
					s.dst, _ = m.Load(k, s.dst[:0])
					sum += number(s.dst)
				}
			}
			return sum
		},
		bytes: func() int64 {
			st := m.Stats()
			return st.ReservedBytes - int64(st.Buckets)*64
		},
		close: func() {
			must(m.Close(background_))
			must(d.Close(background_))
		},
	}
}

// newFastcache has room for twice what is stored: it keeps by bytes, and forgets by age.
// Its memory is not on the Go heap, and it tells how much that is.
func newFastcache(n int) table {
	m := fastcache.New(max(32<<20, 2*n*(keyBytes+valueBytes+4)))
	return table{
		do: func(w work) (sum uint64) {
			s := newScratch()
			for i, x := range w {
				k := s.keyOf(x)
				if x&store != 0 {
					m.Set(k, s.valueOf(i))
				} else if s.dst = m.Get(s.dst[:0], k); len(s.dst) > 0 {
					sum += number(s.dst)
				}
			}
			return sum
		},
		bytes: func() int64 {
			var st fastcache.Stats
			m.UpdateStats(&st)
			return int64(st.BytesSize)
		},
		close: m.Reset,
	}
}

func newFreecache(n int) table {
	m := freecache.NewCache(max(1<<20, 2*n*(keyBytes+valueBytes+24)))
	return table{
		do: func(w work) (sum uint64) {
			s := newScratch()
			for i, x := range w {
				k := s.keyOf(x)
				if x&store != 0 {
					must(m.Set(k, s.valueOf(i), 0))
				} else if v, err := m.GetWithBuf(k, s.dst[:valueBytes]); err == nil {
					sum += number(v)
				}
			}
			return sum
		},
	}
}

func newOtterBytes(n int) table {
	m := otter.Must(&otter.Options[string, []byte]{MaximumSize: 2 * n})
	return table{
		do: func(w work) (sum uint64) {
			s := newScratch()
			for i, x := range w {
				k := s.keyOf(x)
				if x&store != 0 {
					m.Set(string(k), append([]byte(nil), s.valueOf(i)...))
				} else if v, ok := m.GetIfPresent(string(k)); ok {
					sum += number(v)
				}
			}
			return sum
		},
		rest:  m.CleanUp,
		close: func() { m.StopAllGoroutines() },
	}
}

func newXsyncBytes(int) table {
	m := xsync4.NewMap[string, []byte]()
	return table{do: func(w work) (sum uint64) {
		s := newScratch()
		for i, x := range w {
			k := s.keyOf(x)
			if x&store != 0 {
				m.Store(string(k), append([]byte(nil), s.valueOf(i)...))
			} else if v, ok := m.Load(string(k)); ok {
				sum += number(v)
			}
		}
		return sum
	}}
}

func newLockedBytes(int) table {
	m := make(map[string][]byte)
	var mu sync.RWMutex
	return table{do: func(w work) (sum uint64) {
		s := newScratch()
		for i, x := range w {
			k := s.keyOf(x)
			if x&store != 0 {
				v := append([]byte(nil), s.valueOf(i)...)
				mu.Lock()
				m[string(k)] = v
				mu.Unlock()
			} else {
				mu.RLock()
				v := m[string(k)]
				mu.RUnlock()
				sum += number(v)
			}
		}
		return sum
	}}
}

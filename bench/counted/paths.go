package main

import (
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	xsync3 "github.com/puzpuzpuz/xsync/v3"
	xsync4 "github.com/puzpuzpuz/xsync/v4"

	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
	"github.com/gosmr/gosmr/stw"
)

// An object is what readers load.
type object struct {
	number uint64
	_      [7]uint64
}

// simple is a path that has nothing to make.
func simple(name string, loop func(n int)) path {
	return path{name, func() (func(int), error) { return loop, nil }}
}

//go:noinline
func nothing() {}

// newDomain refuses where readers would fence for themselves, so that what is counted is
// what most readers execute.
func newDomain(o smr.Options) (*smr.Domain, error) {
	if relacq.Plain && !membarrier.Available() {
		return nil, errors.New("no membarrier here, so sections are not what they are elsewhere")
	}
	return smr.New(o)
}

// floors are what is in the other paths besides.
//
//go:noinline
func floors() []path {
	return []path{
		simple("empty-loop", func(n int) {
			for range n {
			}
		}),
		// A loop with a call in it keeps its counter in memory.
		simple("empty-call", func(n int) {
			for range n {
				nothing()
			}
		}),
		simple("proc-pin", func(n int) {
			for range n {
				pcpu.Pin()
				pcpu.Unpin()
			}
		}),
		{"atomic.Pointer+load", func() (func(int), error) {
			var p atomic.Pointer[object]
			p.Store(new(object))
			return func(n int) {
				sum := uint64(0)
				for range n {
					sum += p.Load().number
				}
				sink = sum
			}, nil
		}},
	}
}

// A reader is the loops of one kind of section.
type reader struct {
	name string
	make func() (empty, load func(n int), err error)
}

// both are the two paths of a reader.
func (r reader) both() []path {
	return []path{
		{r.name, func() (func(int), error) {
			empty, _, err := r.make()
			return empty, err
		}},
		{r.name + "+load", func() (func(int), error) {
			_, load, err := r.make()
			return load, err
		}},
	}
}

// shared makes a domain and a pointer.
func shared() (*smr.Domain, *smr.Pointer[object], error) {
	d, err := newDomain(smr.Options{})
	p := new(smr.Pointer[object])
	p.Init(new(object))
	return d, p, err
}

//go:noinline
func readers() (all []path) {
	for _, r := range []reader{
		{"gosmr-section", func() (empty, load func(int), err error) {
			d, p, err := shared()
			return func(n int) {
					for range n {
						s := d.Enter()
						s.Leave()
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						s := d.Enter()
						sum += p.Load(s).number
						s.Leave()
					}
					sink = sum
				}, err
		}},
		{"gosmr-reader", func() (empty, load func(int), err error) {
			d, p, err := shared()
			if err != nil {
				return nil, nil, err
			}
			r := d.NewReader()
			return func(n int) {
					for range n {
						s := r.Enter()
						s.Leave()
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						s := r.Enter()
						sum += p.Load(s).number
						s.Leave()
					}
					sink = sum
				}, nil
		}},
		{"gosmr-pin", func() (empty, load func(int), err error) {
			d, p, err := shared()
			return func(n int) {
					for range n {
						s := d.Pin()
						s.Leave()
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						s := d.Pin()
						sum += p.Load(s).number
						s.Leave()
					}
					sink = sum
				}, err
		}},
		// A domain of a world reads in the section between two safe points.
		{"gosmr-quiescent", func() (empty, load func(int), err error) {
			dom, p, err := shared()
			if err != nil {
				return nil, nil, err
			}
			w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
			if err != nil {
				return nil, nil, err
			}
			d, err := w.Register()
			return func(n int) {
					for range n {
						_ = d.Section()
						d.Poll()
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						sum += p.Load(d.Section()).number
						d.Poll()
					}
					sink = sum
				}, err
		}},
		{"sync.Mutex", func() (empty, load func(int), err error) {
			var mu sync.Mutex
			o := new(object)
			return func(n int) {
					for range n {
						mu.Lock()
						mu.Unlock() //nolint:staticcheck // what is counted
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						mu.Lock()
						sum += o.number
						mu.Unlock()
					}
					sink = sum
				}, nil
		}},
		{"sync.RWMutex", func() (empty, load func(int), err error) {
			var mu sync.RWMutex
			o := new(object)
			return func(n int) {
					for range n {
						mu.RLock()
						mu.RUnlock() //nolint:staticcheck // what is counted
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						mu.RLock()
						sum += o.number
						mu.RUnlock()
					}
					sink = sum
				}, nil
		}},
		{"xsync-v3-RBMutex", func() (empty, load func(int), err error) {
			mu := xsync3.NewRBMutex()
			o := new(object)
			return func(n int) {
					for range n {
						mu.RUnlock(mu.RLock())
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						t := mu.RLock()
						sum += o.number
						mu.RUnlock(t)
					}
					sink = sum
				}, nil
		}},
		{"xsync-v4-RBMutex", func() (empty, load func(int), err error) {
			mu := xsync4.NewRBMutex()
			o := new(object)
			return func(n int) {
					for range n {
						mu.RUnlock(mu.RLock())
					}
				}, func(n int) {
					sum := uint64(0)
					for range n {
						t := mu.RLock()
						sum += o.number
						mu.RUnlock(t)
					}
					sink = sum
				}, nil
		}},
	} {
		all = append(all, r.both()...)
	}
	return all
}

//go:noinline
func calls() []path {
	return []path{
		// All calls go to one chunk that is not collected meanwhile, so this leaves out what
		// happens once in 256 of them: the chunk is handed on, and the reclaimer notified.
		{"gosmr+call", func() (func(int), error) {
			d, err := newDomain(smr.Options{ChunkCalls: 1 << 16, MaxDelay: time.Hour})
			o := new(object)
			free := func(*object) {}
			return func(n int) {
				for range n {
					smr.Call(d, o, 0, free)
				}
			}, err
		}},
	}
}

// An element of a queue has a cache line for itself.
type element struct {
	link smrq.Link[element]
	key  uint64
	_    [64 - unsafe.Sizeof(smrq.Link[smr.Domain]{}) - 8]byte
}

func elementLink(e *element) *smrq.Link[element] { return &e.link }

//go:noinline
func walks() []path {
	return []path{
		{"gosmr-TailQ+walk", func() (func(int), error) {
			d, err := newDomain(smr.Options{})
			q := smrq.NewTailQ(elementLink)
			for i := range 16 {
				q.InsertTail(&element{key: uint64(i)})
			}
			return func(n int) {
				sum := uint64(0)
				for range n {
					s := d.Enter()
					for e := range q.All(s) {
						sum += e.key
					}
					s.Leave()
				}
				sink = sum
			}, err
		}},
	}
}

const entries = 1000

type value [4]uint64

// The loops over maps go through the keys of all entries, again and again.
//
//go:noinline
func maps() []path {
	keys := make([]uint64, entries)
	for i := range keys {
		keys[i] = uint64(i+1) * 0x9e3779b97f4a7c15
	}
	return []path{
		simple("empty-loop-over-keys+map", func(n int) {
			sum := uint64(0)
			for ; n > 0; n -= len(keys) {
				for _, k := range keys[:min(n, len(keys))] {
					sum += k
				}
			}
			sink = sum
		}),
		{"gosmr-map+map", func() (func(int), error) {
			d, err := newDomain(smr.Options{})
			if err != nil {
				return nil, err
			}
			m, err := smrmap.New[uint64, value](smrmap.Options{Domain: d, Capacity: entries})
			if err != nil {
				return nil, err
			}
			for _, k := range keys {
				if err := m.Store(k, value{k}); err != nil {
					return nil, err
				}
			}
			return func(n int) {
				sum := uint64(0)
				for ; n > 0; n -= len(keys) {
					for _, k := range keys[:min(n, len(keys))] {
						v, _ := m.Load(k)
						sum += v[0]
					}
				}
				sink = sum
			}, nil
		}},
		{"xsync-v4+map", func() (func(int), error) {
			m := xsync4.NewMap[uint64, value]()
			for _, k := range keys {
				m.Store(k, value{k})
			}
			return func(n int) {
				sum := uint64(0)
				for ; n > 0; n -= len(keys) {
					for _, k := range keys[:min(n, len(keys))] {
						v, _ := m.Load(k)
						sum += v[0]
					}
				}
				sink = sum
			}, nil
		}},
		{"sync.Map+map", func() (func(int), error) {
			m := new(sync.Map)
			for _, k := range keys {
				m.Store(k, value{k})
			}
			return func(n int) {
				sum := uint64(0)
				for ; n > 0; n -= len(keys) {
					for _, k := range keys[:min(n, len(keys))] {
						if v, ok := m.Load(k); ok {
							sum += v.(value)[0]
						}
					}
				}
				sink = sum
			}, nil
		}},
		// The value is read where it lies, in a section of a registered reader.
		{"gosmr-bytes-lent+bytes", func() (func(int), error) {
			d, err := newDomain(smr.Options{})
			if err != nil {
				return nil, err
			}
			m, err := smrmap.NewBytes(smrmap.Options{Domain: d, Capacity: entries})
			if err != nil {
				return nil, err
			}
			keys := make([][]byte, entries)
			for i := range keys {
				keys[i] = binary.LittleEndian.AppendUint64(make([]byte, 8, 16), uint64(i))
				if err := m.Store(keys[i], make([]byte, 100)); err != nil {
					return nil, err
				}
			}
			r := d.NewReader()
			return func(n int) {
				sum := uint64(0)
				for ; n > 0; n -= len(keys) {
					for _, k := range keys[:min(n, len(keys))] {
						s := r.Enter()
						if it, ok := m.LoadIn(s, k); ok {
							sum += uint64(it.Value[0])
						}
						s.Leave()
					}
				}
				sink = sum
			}, nil
		}},
	}
}

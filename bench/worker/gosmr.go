package main

import (
	"context"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// must is for what can't fail here.
func must(err error) {
	if err != nil {
		panic(err)
	}
}

func got[T any](v T, err error) T {
	must(err)
	return v
}

func newDomain() *smr.Domain { return got(smr.New(smr.Options{})) }

var background_ = context.Background()

// shared is a domain, a pointer, and the pool of what it points to.
type shared struct {
	dom  *smr.Domain
	pool *slab.Pool[object]
	p    smr.Pointer[object]
}

func newShared() *shared {
	s := &shared{dom: newDomain()}
	s.pool = slab.New[object](s.dom, slab.Options{})
	s.p.Init(got(s.pool.Get()))
	return s
}

func (s *shared) update(number uint64) {
	o := got(s.pool.Get())
	o.fill(number)
	s.pool.Retire(s.p.Swap(o))
}

func (s *shared) instance(reader func() *reader) *instance {
	return &instance{
		reader: reader, update: s.update,
		synchronize: func() { must(s.dom.Synchronize(background_)) },
		close: func() {
			s.pool.Retire(s.p.Swap(nil))
			must(s.pool.Close(background_))
			must(s.dom.Close(background_))
		},
	}
}

// loader is a goroutine that loads, in sections of Enter.
func (s *shared) loader(int) (loop func(int), end func()) {
	return func(n int) { sink.Store(s.load(n)) }, nil
}

func (s *shared) load(n int) (sum uint64) {
	for range n {
		sec := s.dom.Enter()
		sum += s.p.Load(sec).number
		sec.Leave()
	}
	return sum
}

// hold stays in a section, loads, and leaves it.
func (s *shared) hold(sec smr.Section, d time.Duration) {
	spin(d)
	sink.Store(s.p.Load(sec).number)
	sec.Leave()
}

// ours are the kinds of sections.
func ours() []scheme {
	section := scheme{"gosmr-section", func() *instance {
		s := newShared()
		return s.instance(func() *reader {
			return &reader{
				empty: func(n int) {
					for range n {
						sec := s.dom.Enter()
						sec.Leave()
					}
				},
				load: s.load,
				nested: func(n, depth int) {
					open := make([]smr.Section, depth)
					for range n {
						for i := range open {
							open[i] = s.dom.Enter()
						}
						for i := len(open) - 1; i >= 0; i-- {
							open[i].Leave()
						}
					}
				},
				hold: func(d time.Duration) { s.hold(s.dom.Enter(), d) },
			}
		})
	}}
	if portable {
		section.name = self
		return []scheme{section}
	}
	return []scheme{section,
		{"gosmr-reader", func() *instance {
			s := newShared()
			return s.instance(func() *reader {
				r := s.dom.NewReader()
				return &reader{
					empty: func(n int) {
						for range n {
							sec := r.Enter()
							sec.Leave()
						}
					},
					load: func(n int) (sum uint64) {
						for range n {
							sec := r.Enter()
							sum += s.p.Load(sec).number
							sec.Leave()
						}
						return sum
					},
					nested: func(n, depth int) {
						open := make([]smr.Section, depth)
						for range n {
							for i := range open {
								open[i] = r.Enter()
							}
							for i := len(open) - 1; i >= 0; i-- {
								open[i].Leave()
							}
						}
					},
					hold:  func(d time.Duration) { s.hold(r.Enter(), d) },
					close: r.Close,
				}
			})
		}},
		{"gosmr-pin", func() *instance {
			s := newShared()
			return s.instance(func() *reader {
				return &reader{ // not held: a pinned goroutine keeps its processor from all others
					empty: func(n int) {
						for range n {
							sec := s.dom.Pin()
							sec.Leave()
						}
					},
					load: func(n int) (sum uint64) {
						for range n {
							sec := s.dom.Pin()
							sum += s.p.Load(sec).number
							sec.Leave()
						}
						return sum
					},
					nested: func(n, depth int) {
						open := make([]smr.Section, depth)
						for range n {
							for i := range open {
								open[i] = s.dom.Pin()
							}
							for i := len(open) - 1; i >= 0; i-- {
								open[i].Leave()
							}
						}
					},
				}
			})
		}},
		{"gosmr-quiescent", func() *instance {
			s := newShared()
			w := got(stw.NewWorld(stw.Options{Max: 1 << 14, SMR: []*smr.Domain{s.dom}}))
			in := s.instance(func() *reader {
				d := got(w.Register())
				return &reader{
					empty: func(n int) {
						for range n {
							_ = d.Section()
							d.Poll()
						}
					},
					load: func(n int) (sum uint64) {
						for range n {
							sum += s.p.Load(d.Section()).number
							d.Poll()
						}
						return sum
					},
					hold: func(t time.Duration) {
						sec := d.Section()
						spin(t)
						sink.Store(s.p.Load(sec).number)
						d.Poll()
					},
					close: d.Deregister,
				}
			})
			closeShared := in.close
			in.close = func() {
				must(w.Close(background_))
				closeShared()
			}
			return in
		}},
	}
}

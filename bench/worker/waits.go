package main

import (
	"runtime/metrics"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// waits are the families in which a writer waits for readers, or defers the wait.
func waits() []entry {
	all := []entry{
		{"synchronize", self, func(j job) (values, error) { return besideReaders(j, j.param, synchronizes), nil }},
		{"oversub", self, func(j job) (values, error) { return besideReaders(j, j.param*j.procs, synchronizes), nil }},
		{"barrier", self, func(j job) (values, error) {
			return besideReaders(j, j.param, func(s *shared) func() {
				t := new(tally)
				return func() {
					smr.Call(s.dom, t, 64, (*tally).count)
					must(s.dom.Barrier(background_))
				}
			}), nil
		}},
		{"flood", self, floodCalls},
		{"flood", self + "-assist", floodAssisted},
		{"flood", self + "-retire", floodRetires},
	}
	if portable {
		return all
	}
	for _, s := range locks() {
		waitFor := func(j job, readers int) (values, error) {
			in := s.make()
			b := inBackground(readers, batch, in.loader)
			v := latencies(j.for_, 0, in.synchronize).values()
			b.stop()
			return v, nil
		}
		all = append(all,
			entry{"synchronize", s.name, func(j job) (values, error) { return waitFor(j, j.param) }},
			entry{"oversub", s.name, func(j job) (values, error) { return waitFor(j, j.param*j.procs) }})
	}
	return append(all, entry{"flood", "atomic.Pointer", floodHeap})
}

func synchronizes(s *shared) func() {
	return func() { must(s.dom.Synchronize(background_)) }
}

// besideReaders times what a function does, while readers load.
func besideReaders(j job, readers int, what func(*shared) func()) values {
	s := newShared()
	b := inBackground(readers, batch, s.loader)
	v := latencies(j.for_, 0, what(s)).values()
	b.stop()
	s.instance(nil).close()
	return v
}

// A big object is what a flood replaces.
type big struct {
	number uint64
	_      [1016]byte
}

// flood has one update as fast as it can beside readers. pending is asked now and then.
func flood(j job, load func(int) (func(int), func()), update func(number uint64), pending func() int64) values {
	b := inBackground(j.param, batch, load)
	peak, updates := int64(0), uint64(0)
	began := time.Now()
	for time.Since(began) < j.for_ {
		for range 100 {
			updates++
			update(updates)
		}
		peak = max(peak, pending())
	}
	took := time.Since(began).Seconds()
	b.stop()
	return values{"updates": float64(updates) / took, "peak": float64(peak)}
}

// floodCalls frees each object with a deferred call of its own, as objects from anywhere are.
func floodCalls(j job) (values, error) { return floodCalling(j, func(*smr.Domain) {}) }

// floodAssisted has the writer assist after each call.
func floodAssisted(j job) (values, error) { return floodCalling(j, (*smr.Domain).Assist) }

func floodCalling(j job, then func(*smr.Domain)) (values, error) {
	dom := newDomain()
	pool := slab.New[big](dom, slab.Options{PrivateFree: true})
	unlinked := int64(0)
	var freed atomic.Int64
	free := func(o *big) {
		pool.Free(o)
		freed.Add(1024)
	}
	return floodPool(j, dom, pool, func(o *big) {
		smr.Call(dom, o, 1024, free)
		unlinked += 1024
		then(dom)
	}, func() int64 { return unlinked - freed.Load() })
}

// floodRetires leaves it to the pool.
func floodRetires(j job) (values, error) {
	dom := newDomain()
	pool := slab.New[big](dom, slab.Options{PrivateFree: true})
	return floodPool(j, dom, pool, pool.Retire, func() int64 { return pool.Stats().PendingBytes })
}

func floodPool(j job, dom *smr.Domain, pool *slab.Pool[big], giveBack func(*big), pending func() int64) (values, error) {
	var p smr.Pointer[big]
	p.Init(got(pool.Get()))
	v := flood(j, func(int) (func(int), func()) {
		return func(n int) {
			sum := uint64(0)
			for range n {
				s := dom.Enter()
				sum += p.Load(s).number
				s.Leave()
			}
			sink.Store(sum)
		}, nil
	}, func(number uint64) {
		o := got(pool.Get())
		*o = big{number: number}
		giveBack(p.Swap(o))
	}, pending)
	must(dom.Barrier(background_))
	pool.Free(p.Swap(nil))
	must(pool.Close(background_))
	must(dom.Close(background_))
	return v, nil
}

// floodHeap leaves it to the collector: what waits is what the heap grows by.
func floodHeap(j job) (values, error) {
	var p atomic.Pointer[big]
	p.Store(new(big))
	heap := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	bytes := func() int64 {
		metrics.Read(heap)
		return int64(heap[0].Value.Uint64())
	}
	before := bytes()
	return flood(j, func(int) (func(int), func()) {
		return func(n int) {
			sum := uint64(0)
			for range n {
				sum += p.Load().number
			}
			sink.Store(sum)
		}, nil
	}, func(number uint64) {
		o := new(big)
		o.number = number
		p.Store(o)
	}, func() int64 { return bytes() - before }), nil
}

// scans are of registered readers.
func scans() []entry {
	return []entry{{"scan", self, func(j job) (values, error) {
		dom := newDomain()
		readers := make([]*smr.Reader, j.param)
		for i := range readers {
			readers[i] = dom.NewReader()
		}
		ns := nsPerOp(1, j.for_, 1, func(int) (func(int), func()) {
			return func(n int) {
				for range n {
					for goal := dom.Advance(); !dom.Poll(goal); {
					}
				}
			}, nil
		})
		for _, r := range readers {
			r.Close()
		}
		return values{"ns": ns}, dom.Close(background_)
	}}}
}

package main

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// calls are the families of deferred calls.
func calls() []entry {
	all := []entry{
		{"call", self, func(j job) (values, error) {
			dom := newDomain()
			defer dom.Close(background_)
			objects := make([]tally, j.param)
			return bursts(j, func() {
				for i := range objects {
					smr.Call(dom, &objects[i], 64, (*tally).count)
				}
			}, func() { must(dom.Barrier(background_)) }), nil
		}},
		{"callback", self, func(j job) (values, error) { return callbacks(j, 64) }},
		{"callback", self + "-expedite", func(j job) (values, error) { return callbacks(j, smr.Expedite) }},
	}
	if portable {
		return all
	}
	return append(all, entry{"call", "runtime.AddCleanup", func(j job) (values, error) {
		var ran atomic.Int64
		sent := int64(0)
		type object struct{ _ [8]uint64 }
		return bursts(j, func() {
			for range j.param {
				runtime.AddCleanup(new(object), func(int) { ran.Add(1) }, 0)
			}
			sent += int64(j.param)
		}, func() {
			for ran.Load() < sent {
				runtime.GC()
				runtime.Gosched()
			}
		}), nil
	}})
}

// A tally is an object on a cache line of its own.
type tally struct {
	n uint64
	_ [7]uint64
}

func (t *tally) count() { t.n++ }

// bursts times bursts of calls, and barriers after them.
func bursts(j job, call, barrier func()) values {
	call() // warm
	barrier()
	var calling, all time.Duration
	n := 0
	for all < j.for_ {
		began := time.Now()
		call()
		called := time.Now()
		barrier()
		calling += called.Sub(began)
		all += time.Since(began)
		n += j.param
	}
	return values{"ns": float64(calling.Nanoseconds()) / float64(n), "all": float64(all.Nanoseconds()) / float64(n)}
}

// callbacks times from a call to its callback.
func callbacks(j job, size int) (values, error) {
	s := newShared()
	in := s.instance(nil)
	readers := inBackground(j.procs-1, batch, s.loader)
	const every = 100 * time.Microsecond
	times := new(samples) // written by callbacks, which may run side by side
	var mu sync.Mutex
	type sent struct{ at time.Time }
	began := time.Now()
	for next := began; time.Since(began) < j.for_; next = next.Add(every) {
		for time.Now().Before(next) {
			runtime.Gosched()
		}
		smr.Call(s.dom, &sent{time.Now()}, size, func(c *sent) {
			took := time.Since(c.at)
			mu.Lock()
			times.add(took)
			mu.Unlock()
		})
	}
	must(s.dom.Barrier(background_))
	readers.stop()
	in.close()
	return times.values().only("p50", "p99", "max"), nil
}

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/smr"
)

// assisting has writers run by Assist what is pending, in domains with little room, beside readers, holds
// and Barrier. Callbacks assist, too, which must do nothing, so that none runs inside another. Each domain is
// closed while its writers still assist and holds end.
type assisting struct{}

// An assisted is a domain and those who use it.
type assisted struct {
	flood

	cells [keepsakes]smr.Pointer[retiree]
	attic attic
	ended atomic.Bool // set when the writers have ended: the readers end, too

	// goroutines has a bool for each writer, and for each goroutine in a callback: whether it is in one.
	// Each goroutine stores its own.
	goroutines sync.Map
	helped     *counter // callbacks that writers ran
}

// A retiree is poisoned by its callback.
type retiree struct {
	keepsake
	of    *assisted
	freed atomic.Bool // to check that there is one callback
}

const assistReaders = 2

func (assisting) join(r *rig) {
	rng := r.rand("assist")
	domains, helped := r.counter("assisted domains"), r.counter("callbacks in Assist")
	r.start("assist", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			o := drawOptions(rng)
			o.MaxPending = int64(4+rng.IntN(60)) * elementSize
			a := &assisted{attic: attic{faults: &r.faults}, helped: helped}
			a.flood = flood{dom: newDomain(o, &r.faults), limit: o.MaxPending, faults: &r.faults}
			reads := a.use(rng)
			a.checkIdle()
			domains.Add(1)
			r.reads.take(readFlood, &readCount{sections: reads, others: reads})
			r.writes.updates.Add(a.calls.Load())
			p.beat()
		}
	})
}

// use has writers, readers and Barriers run until the writers end, and returns how often was read. Then it
// closes the domain, while others assist, the last holds end, and a Barrier may still wait.
func (a *assisted) use(rng *rand.Rand) (reads uint64) {
	var writers, readers, others sync.WaitGroup
	for range floodWriters {
		rng := fork(rng)
		writers.Go(func() {
			defer a.faults.catch("a writer that assists")
			a.helping(func() { a.write(rng, rng.IntN(300)) })
		})
	}
	var n atomic.Uint64
	for range assistReaders {
		rng := fork(rng)
		readers.Go(func() {
			defer a.faults.catch("a reader beside writers that assist")
			var last *shelved
			for !a.ended.Load() {
				h := a.read(rng)
				a.attic.end(last) // soon: Throttle waits for it
				last = h
				n.Add(1)
			}
			a.attic.end(a.attic.swap(last, rng)) // which ends while the domain is closed
		})
	}
	others.Go(func() {
		defer a.faults.catch("a Barrier beside writers that assist")
		for !a.ended.Load() {
			a.barrier()
		}
	})
	writers.Wait()
	a.ended.Store(true)
	readers.Wait()
	others.Go(func() {
		defer a.faults.catch("the end of holds beside writers that assist")
		a.attic.empty()
	})
	for range floodWriters {
		others.Go(func() {
			defer a.faults.catch("an Assist beside Close")
			a.helping(func() {
				for range 100 {
					a.dom.Assist()
				}
			})
		})
	}
	a.faults.within("Close of a domain that is assisted", a.dom.Close)
	others.Wait()
	return n.Load()
}

// helping runs fn, in which the goroutine assists.
func (a *assisted) helping(fn func()) {
	me := goid.Get()
	a.goroutines.Store(me, false)
	defer a.goroutines.Delete(me)
	fn()
}

func (a *assisted) write(rng *rand.Rand, calls int) {
	for n := range calls {
		if err := a.dom.Throttle(context.Background()); err != nil {
			a.faults.add(faultWait, "Throttle: %v", err)
			return
		}
		fresh := &retiree{of: a}
		fresh.set(uint64(n))
		if old := a.cells[rng.IntN(keepsakes)].Swap(fresh); old != nil {
			a.called()
			smr.Call(a.dom, old, elementSize, (*retiree).free)
		}
		a.dom.Assist()
	}
}

// free is the callback.
func (o *retiree) free() {
	a, me := o.of, goid.Get()
	before, known := a.goroutines.Swap(me, true)
	switch before {
	case true:
		a.faults.add(faultCallback, "a callback ran inside another")
	case false:
		a.helped.Add(1)
	}
	if o.freed.Swap(true) {
		a.faults.add(faultCallback, "a callback ran twice")
	}
	o.set(freedWord)
	a.callback()
	a.dom.Assist()
	if known {
		a.goroutines.Store(me, before)
	} else {
		a.goroutines.Delete(me)
	}
}

// read looks at an object in a section, and returns a hold of it now and then, else nil.
func (a *assisted) read(rng *rand.Rand) (h *shelved) {
	s := a.dom.Enter()
	o := a.cells[rng.IntN(keepsakes)].Load(s)
	if o == nil {
		s.Leave()
		return nil
	}
	word := o.words[0]
	same := func() bool { return o.is(word) && word != freedWord }
	drawStay(rng, rng.IntN(64) == 0).pass(rng)
	if !same() {
		a.faults.add(faultPayload, "an object was freed under its reader")
	}
	if rng.IntN(16) == 0 {
		h = &shelved{same, smr.Hold(s, o).Release}
	}
	s.Leave()
	return h
}

// barrier checks that as many callbacks have run as calls were made before. A call is counted before it
// is made, so those that writers are about to make may be missing.
func (a *assisted) barrier() {
	calls := a.calls.Load()
	err := a.dom.Barrier(context.Background())
	if errors.Is(err, smr.ErrClosed) && a.ended.Load() {
		return
	}
	if err != nil {
		a.faults.add(faultWait, "Barrier: %v", err)
	} else if done := a.callbacks.Load(); done+floodWriters < calls {
		a.faults.add(faultBarrier, "%d callbacks had run after %d calls and Barrier", done, calls)
	}
}

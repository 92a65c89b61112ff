package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// sleepers are writers that sleep in Throttle while their domain is closed: when Close returns they
// are awake, whatever they sleep for. Some of their calls are refused meanwhile, which must not
// count as pending.
type sleepers struct{}

const numSleepers = 4

func (sleepers) join(r *rig) {
	sl := &sleeping{rng: r.rand("sleepers"), faults: &r.faults}
	closed := r.counter("domains closed under sleepers")
	r.start("sleepers", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			o := drawOptions(sl.rng)
			o.MaxPending = int64(1 + sl.rng.IntN(numSleepers))
			sl.round(newDomain(o, sl.faults))
			closed.Add(1)
			p.beat()
		}
	})
}

type sleeping struct {
	rng    *rand.Rand
	faults *faults
}

// round closes a domain under its writers. Each call is so large that it alone makes the others
// wait.
func (sl *sleeping) round(dom *smr.Domain) {
	leave := func() {}
	if sl.rng.IntN(2) == 0 { // for whom all of them wait
		elsewhere(func() { leave = dom.Enter().Leave })
	}
	var wg sync.WaitGroup
	for range numSleepers {
		rng := fork(sl.rng)
		wg.Go(func() {
			defer sl.refusedCall()
			for {
				if err := dom.Throttle(context.Background()); err != nil {
					if !errors.Is(err, smr.ErrClosed) {
						sl.faults.add(faultWait, "Throttle of a domain that is closed: %v", err)
					}
					return
				}
				dom.CallFunc(1+rng.IntN(numSleepers), func() {})
			}
		})
	}
	stay{spins: sl.rng.IntN(1 << sl.rng.IntN(18)), yields: sl.rng.IntN(4)}.pass(sl.rng)
	closed := make(chan struct{})
	wg.Go(func() { sl.callInVain(dom, closed) })
	go func() {
		defer close(closed)
		sl.faults.within("Close of a domain under sleepers", dom.Close)
	}()
	stay{spins: sl.rng.IntN(2000), yields: sl.rng.IntN(4)}.pass(sl.rng)
	leave()
	<-closed
	sl.awake(&wg)
}

// callInVain makes calls that are refused because the domain is closing. The size of each counts
// for a moment, where the sleepers check it.
func (sl *sleeping) callInVain(dom *smr.Domain, closed <-chan struct{}) {
	for !dom.Closed() {
		runtime.Gosched()
	}
	for {
		select {
		case <-closed:
			return
		default:
		}
		func() {
			defer sl.refusedCall()
			dom.CallFunc(numSleepers, func() {})
		}()
	}
}

// refusedCall recovers from the panic of a Call on a closed domain.
func (sl *sleeping) refusedCall() {
	if v := recover(); v != nil && !isClosedPanic(v) {
		sl.faults.add(faultDomain, "a writer of a domain that is closed ended with %v", v)
	}
}

// awake waits for the writers, and reports those that sleep on.
func (sl *sleeping) awake(wg *sync.WaitGroup) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		wg.Wait()
	}()
	select {
	case <-done:
	case <-time.After(sl.faults.patience):
		sl.faults.stop(fmt.Sprintf("writers sleep in Throttle %v after Close returned", sl.faults.patience))
	}
}

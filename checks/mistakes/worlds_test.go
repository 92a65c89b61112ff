package mistakes

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/stw"
)

// Workers of package stw.

func lockOutsideBlocking() {
	w := must(stw.NewWorld(stw.Options{StallAfter: time.Millisecond, OnStall: func(s stw.Stall) {
		if strings.Contains(s.String(), "sync.(*Mutex).Lock") { // the first may come before
			end("report: ", s.String())
		}
	}}))
	var mu sync.Mutex
	count := 0
	locked := make(chan struct{})
	must(w.Spawn(func(d *stw.Domain) {
		mu.Lock()
		close(locked)
		for {
			d.Poll() // stopped here, with the lock
		}
	}))
	must(w.Spawn(func(d *stw.Domain) {
		d.Blocking(func() { <-locked })
		mu.Lock() // never comes to a safe point
		count++
		mu.Unlock()
	}))
	<-locked
	for {
		w.Stop()
		w.Start()
	}
}

func domainInTwoGoroutines() {
	w := must(stw.NewWorld(stw.Options{StallAfter: -1}))
	var steps atomic.Int64
	must(w.Spawn(func(d *stw.Domain) {
		go func() { // it polls for the worker, which has no time
			for {
				d.Poll()
				runtime.Gosched()
			}
		}()
		for {
			steps.Add(1)
			runtime.Gosched()
		}
	}))
	for w.NumDomains() == 0 {
		runtime.Gosched()
	}
	w.Stop()
	for n := steps.Load(); steps.Load() == n; {
		runtime.Gosched()
	}
	unnoticed("a worker runs in a stopped world")
}

package stw_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/stw"
)

// What each worker does first and last. An error ends it before it begins.
func ExampleOptions() {
	w, err := stw.NewWorld(stw.Options{
		Max: 1,
		OnStart: func(d *stw.Domain) error {
			fmt.Println("start of", d)
			return nil
		},
		OnEnd: func(d *stw.Domain) { fmt.Println("end of", d) },
	})
	if err != nil {
		panic(err)
	}
	d, err := w.Spawn(func(d *stw.Domain) { fmt.Println("work of", d) })
	if err != nil {
		panic(err)
	}
	if err := d.Join(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(w.Close(context.Background()))
	// Output:
	// start of domain 1
	// work of domain 1
	// end of domain 1
	// <nil>
}

// A value that each worker has for itself, without a lock.
func ExampleKey() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	requests := stw.NewKey(func(d *stw.Domain) int { return 100 })
	d, err := w.Register()
	if err != nil {
		panic(err)
	}
	requests.Set(d, requests.Get(d)+1)
	fmt.Println(requests.Get(d))
	d.Deregister()
	// Output: 101
}

// A panic in a function that runs for other workers comes back to the caller, with its domain.
func ExamplePanic() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	broken := errors.New("broken")
	d, err := w.Register()
	if err != nil {
		panic(err)
	}
	func() {
		defer func() {
			p := recover().(*stw.Panic)
			fmt.Println(p.Domain == d.ID(), errors.Is(p, broken))
		}()
		d.ForEach(func(*stw.Domain) { panic(broken) })
	}()
	d.Deregister()
	// Output: true true
}

// A state may have changed when it is returned, unless the domain is held.
func ExampleState() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	var quit atomic.Bool
	d, err := w.Spawn(func(d *stw.Domain) {
		for !quit.Load() {
			d.Relax()
		}
	})
	if err != nil {
		panic(err)
	}
	if err := d.Suspend(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(d.State())
	d.Resume()
	quit.Store(true)
	if err := d.Join(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(d.State())
	// Output:
	// suspended
	// dead
}

// In a stop each participant does its part, and one of them what comes after all parts.
func ExampleStop() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	d, err := w.Register()
	if err != nil {
		panic(err)
	}
	w.RunOnAll(d, func(p *stw.Domain, s *stw.Stop) {
		fmt.Println("the part of", p, "of", len(s.Participants()))
		s.Barrier(func() { fmt.Println("all parts are done") })
	}, stw.StopOptions{})
	d.Deregister()
	// Output:
	// the part of domain 1 of 1
	// all parts are done
}

// An asynchronous stop does not make the workers wait for one another: each runs the handler at its
// next safe point.
func ExampleStopOptions() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	ran := make(chan string, 2)
	quit := make(chan struct{})
	_, err = w.Spawn(func(d *stw.Domain) { d.Blocking(func() { <-quit }) })
	if err != nil {
		panic(err)
	}
	for len(w.Domains()) == 0 {
		runtime.Gosched() // until it has started
	}
	d, err := w.Register()
	if err != nil {
		panic(err)
	}
	w.RunOnAll(d, func(p *stw.Domain, _ *stw.Stop) { ran <- p.String() }, stw.StopOptions{Async: true})
	d.Deregister()
	fmt.Println(len(<-ran) > 0, len(<-ran) > 0)
	close(quit)
	fmt.Println(w.Close(context.Background()))
	// Output:
	// true true
	// <nil>
}

// From outside, all workers are held while a program changes what they use.
func ExampleSuspension() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	var quit atomic.Bool
	_, err = w.Spawn(func(d *stw.Domain) {
		for !quit.Load() {
			d.Relax()
		}
	})
	if err != nil {
		panic(err)
	}
	for len(w.Domains()) == 0 {
		runtime.Gosched() // until it has started
	}
	held, err := w.Suspend(context.Background())
	if err != nil {
		panic(err)
	}
	for _, d := range held.Domains() {
		fmt.Println(d, d.State())
	}
	held.Resume()
	quit.Store(true)
	fmt.Println(w.Close(context.Background()))
	// Output:
	// domain 1 suspended
	// <nil>
}

// A worker that does not come to a safe point is reported, with what it does.
func ExampleStall() {
	reports := make(chan stw.Stall, 1)
	w, err := stw.NewWorld(stw.Options{
		StallAfter: time.Millisecond,
		OnStall: func(st stw.Stall) {
			select {
			case reports <- st:
			default: // one is enough
			}
		},
	})
	if err != nil {
		panic(err)
	}
	started, quit := make(chan struct{}), make(chan struct{})
	_, err = w.Spawn(func(d *stw.Domain) {
		close(started)
		<-quit // not in Blocking
	})
	if err != nil {
		panic(err)
	}
	<-started
	go func() {
		w.Stop()
		w.Start()
	}()

	st := <-reports
	fmt.Println(st.Wait, "waits for", st.Domains[0].Domain, st.Domains[0].State)
	close(quit)
	fmt.Println(w.Close(context.Background()))
	// Output:
	// Stop waits for domain 1 running
	// <nil>
}

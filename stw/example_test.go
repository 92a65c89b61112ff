package stw_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

type config struct{ version int }

// Workers read a configuration at the cost of a load; the old one is freed when
// each of them has polled.
func Example() {
	dom, err := smr.New(smr.Options{Name: "config"})
	if err != nil {
		panic(err)
	}
	w, err := stw.NewWorld(stw.Options{SMR: []*smr.Domain{dom}})
	if err != nil {
		panic(err)
	}
	var current smr.Pointer[config]
	current.Init(&config{1})

	var quit atomic.Bool
	for range 3 {
		_, err := w.Spawn(func(d *stw.Domain) {
			for !quit.Load() {
				_ = current.Load(d.Section()).version // valid until the next poll
				d.Relax()
			}
		})
		if err != nil {
			panic(err)
		}
	}

	old := current.LoadSerialized()
	current.Store(&config{2})
	freed := make(chan struct{})
	smr.Call(dom, old, smr.Expedite, func(c *config) {
		fmt.Println("freed version", c.version)
		close(freed)
	})
	<-freed // the workers go on all the while

	quit.Store(true)
	if err := w.Close(context.Background()); err != nil {
		panic(err)
	}
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: freed version 1
}

// Each worker counts for itself. To have a total at one moment, the world is
// stopped: nobody counts while the handler adds up.
func ExampleWorld_RunOnAll() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	counters := stw.NewKey(func(*stw.Domain) *int { return new(int) })
	var quit atomic.Bool
	for range 3 {
		_, err := w.Spawn(func(d *stw.Domain) {
			for !quit.Load() {
				n := counters.Get(d)
				*n++ // odd for a moment, in which nobody can see it
				*n++
				d.Relax()
			}
		})
		if err != nil {
			panic(err)
		}
	}

	for len(w.Domains()) < 3 {
		runtime.Gosched() // until they have started
	}
	d, err := w.Register() // this goroutine, to lead
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex
	total, domains := 0, 0
	w.RunOnAll(d, func(p *stw.Domain, s *stw.Stop) {
		mu.Lock()
		defer mu.Unlock()
		total += *counters.Get(p)
		domains++
	}, stw.StopOptions{})
	fmt.Println(domains, "domains, total even:", total%2 == 0)

	quit.Store(true)
	d.Deregister()
	if err := w.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: 4 domains, total even: true
}

// What may block is in Blocking, and is waited for by nobody.
func ExampleDomain_Blocking() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	input := make(chan string)
	reader, err := w.Spawn(func(d *stw.Domain) {
		for {
			var line string
			var ok bool
			d.Blocking(func() { line, ok = <-input })
			if !ok {
				return
			}
			fmt.Println("read", line)
		}
	})
	if err != nil {
		panic(err)
	}
	for reader.State() != stw.Blocked {
		runtime.Gosched() // until it has started
	}
	// Although the reader waits for input:
	w.ForEach(func(d *stw.Domain) { fmt.Println("run for", d) })
	input <- "a line"
	close(input)
	if err := reader.Join(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// run for domain 1
	// read a line
}

// An interrupt runs on the worker, between two of its steps.
func ExampleDomain_Interrupt() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	steps := 0 // the worker's own
	stop := false
	worker, err := w.Spawn(func(d *stw.Domain) {
		for !stop {
			steps++
			d.Relax()
		}
	})
	if err != nil {
		panic(err)
	}
	if err := worker.Interrupt(func(*stw.Domain) { stop = true }); err != nil {
		panic(err)
	}
	if err := worker.Join(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(stop, worker.Interrupt(func(*stw.Domain) {}))
	// Output: true stw: the domain is dead
}

// A worker changes what all of them use without locks: it suspends the others, and resumes them also
// if it panics.
func ExampleDomain_SuspendOthers() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	shared := make(map[int]int) // without a lock
	var quit atomic.Bool
	for range 2 {
		_, err := w.Spawn(func(d *stw.Domain) {
			for !quit.Load() {
				_ = shared[1]
				d.Relax()
			}
		})
		if err != nil {
			panic(err)
		}
	}
	writer, err := w.Spawn(func(d *stw.Domain) {
		s, err := d.SuspendOthers(context.Background())
		if err != nil {
			panic(err)
		}
		defer s.Resume()
		shared[1]++
	})
	if err != nil {
		panic(err)
	}
	if err := writer.Join(context.Background()); err != nil {
		panic(err)
	}
	fmt.Println(shared)
	quit.Store(true)
	if err := w.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: map[1:1]
}

// A domain allocates by moving a pointer. When its area is full, all areas grow in one stop, after
// each domain has moved what it still needs.
func ExampleReservation_GrowTo() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	r, err := w.NewReservation(1 << 16)
	if err != nil {
		panic(err)
	}
	needed := stw.NewKey[[]byte](nil) // what each domain still needs
	move := func(d *stw.Domain, _ *stw.Stop) {
		needed.Set(d, bytes.Clone(needed.Get(d))) // out of the area
	}
	d, err := w.Register()
	if err != nil {
		panic(err)
	}
	for n := range 10 {
		b, err := r.Alloc(d, 10_000)
		if errors.Is(err, stw.ErrExhausted) {
			// Another domain may ask for more at the same time; then the areas are larger.
			if err := r.GrowTo(d, 2*r.Area(), move); err != nil {
				panic(err)
			}
			b, err = r.Alloc(d, 10_000)
		}
		if err != nil {
			panic(err)
		}
		b[0] = byte(n)
		if n == 5 {
			needed.Set(d, b[:1])
		}
	}
	fmt.Println(r.Area(), needed.Get(d))
	r.Release(d)
	d.Deregister()
	// Output: 131072 [5]
}

// A worker that is in a long loop does not come to a stop. The stop is given up, and the world goes
// on.
func ExampleWorld_StopContext() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	begun, done := make(chan struct{}), make(chan struct{})
	_, err = w.Spawn(func(d *stw.Domain) {
		close(begun)
		<-done // without Poll, and not in Blocking
	})
	if err != nil {
		panic(err)
	}
	<-begun
	ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
	defer cancel()
	fmt.Println(w.StopContext(ctx))
	close(done)
	if err := w.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output: context deadline exceeded
}

// An interrupt must not see what is half done. It comes at the first safe point after that.
func ExampleDomain_WithoutInterrupts() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	from, to := 100, 0 // the worker's own
	total := func(d *stw.Domain) { fmt.Println("total", from+to) }
	worker, err := w.Spawn(func(d *stw.Domain) {
		d.WithoutInterrupts(func() {
			from -= 40
			if err := d.Interrupt(total); err != nil {
				panic(err)
			}
			d.Poll() // stops come here, and interrupts do not
			to += 40
		})
		fmt.Println("moved")
		d.Poll()
	})
	if err != nil {
		panic(err)
	}
	if err := worker.Join(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// moved
	// total 100
}

// A worker inherits the depth of the one that starts it.
func ExampleNewInheritedKey() {
	w, err := stw.NewWorld(stw.Options{})
	if err != nil {
		panic(err)
	}
	depth := stw.NewInheritedKey(nil, func(of int) int { return of + 1 })
	var descend func(d *stw.Domain)
	descend = func(d *stw.Domain) {
		fmt.Println(d, "has depth", depth.Get(d))
		if depth.Get(d) == 2 {
			return
		}
		child, err := d.Spawn(descend)
		if err != nil {
			panic(err)
		}
		d.Blocking(func() { err = child.Join(context.Background()) })
	}
	first, err := w.Spawn(descend)
	if err != nil {
		panic(err)
	}
	if err := first.Join(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// domain 1 has depth 0
	// domain 2 has depth 1
	// domain 3 has depth 2
}

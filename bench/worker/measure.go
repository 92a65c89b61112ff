package main

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// batch is how many cheap operations are done between two readings of the clock.
const batch = 1000

// warm is how long goroutines work before they are timed: until the system has moved
// their threads to processors of their own.
const warm = 5 * time.Millisecond

// nsPerOp has goroutines execute loops until the time is over, and returns the
// nanoseconds of one operation of one goroutine. start makes a goroutine's loop, in that
// goroutine; a loop executes n operations.
func nsPerOp(goroutines int, d time.Duration, n int, start func(g int) (loop func(n int), end func())) float64 {
	var ready, done sync.WaitGroup
	begin := make(chan struct{})
	var mu sync.Mutex
	var spent time.Duration
	ops := 0
	ready.Add(goroutines)
	for g := range goroutines {
		done.Go(func() {
			loop, end := start(g)
			ready.Done()
			<-begin
			for began := time.Now(); time.Since(began) < warm; {
				loop(n)
			}
			mine, began := 0, time.Now()
			for time.Since(began) < d {
				loop(n)
				mine += n
			}
			took := time.Since(began)
			if end != nil {
				end()
			}
			mu.Lock()
			defer mu.Unlock()
			ops += mine
			spent += took
		})
	}
	ready.Wait()
	close(begin)
	done.Wait()
	return float64(spent.Nanoseconds()) / float64(ops)
}

// A background is goroutines that execute loops until stopped.
type background struct {
	stopped atomic.Bool
	wg      sync.WaitGroup
	ops     atomic.Int64 // counted when they end
}

func inBackground(goroutines, n int, start func(g int) (loop func(n int), end func())) *background {
	b := new(background)
	var ready sync.WaitGroup
	ready.Add(goroutines)
	for g := range goroutines {
		b.wg.Go(func() {
			loop, end := start(g)
			ready.Done()
			mine := 0
			for !b.stopped.Load() {
				loop(n)
				mine += n
			}
			b.ops.Add(int64(mine))
			if end != nil {
				end()
			}
		})
	}
	ready.Wait()
	return b
}

// stop returns how many operations were executed.
func (b *background) stop() int64 {
	b.stopped.Store(true)
	b.wg.Wait()
	return b.ops.Load()
}

// samples are times. When there are a million it keeps every second one, and from then
// on takes every second one, and so on.
type samples struct {
	all   []int64
	every int // takes one of so many
	skip  int
}

const maxSamples = 1 << 20

func (s *samples) add(d time.Duration) {
	if s.skip > 0 {
		s.skip--
		return
	}
	if s.every == 0 {
		s.every = 1
	}
	s.skip = s.every - 1
	if s.all = append(s.all, d.Nanoseconds()); len(s.all) == maxSamples {
		for i := range maxSamples / 2 {
			s.all[i] = s.all[2*i]
		}
		s.all, s.every = s.all[:maxSamples/2], 2*s.every
	}
}

func (s *samples) values() values {
	slices.Sort(s.all)
	n := len(s.all)
	if n == 0 {
		return values{}
	}
	sum := int64(0)
	for _, x := range s.all {
		sum += x
	}
	return values{
		"p50": float64(s.all[n/2]), "p99": float64(s.all[n*99/100]), "max": float64(s.all[n-1]),
		"mean": float64(sum) / float64(n),
	}
}

// only keeps some of the values.
func (v values) only(names ...string) values {
	kept := values{}
	for _, name := range names {
		if x, ok := v[name]; ok {
			kept[name] = x
		}
	}
	return kept
}

// latencies times do until the time is over, and lets the others go on for a while between.
func latencies(d, between time.Duration, do func()) *samples {
	s := new(samples)
	do()
	for began := time.Now(); time.Since(began) < d; {
		start := time.Now()
		do()
		s.add(time.Since(start))
		if between > 0 {
			spin(between)
		}
	}
	return s
}

// spin passes time without giving the processor up.
func spin(d time.Duration) {
	for began := time.Now(); time.Since(began) < d; {
	}
}

var sink atomic.Uint64

// readsBeforeYield is how often a thread of the family "threads" reads at a time.
const readsBeforeYield = 100

// manyThreads is nsPerOp for more goroutines than processors, which yield. It begins when
// all of them are there.
func manyThreads(goroutines, procs int, d time.Duration, start func(g int) (loop func(n int), end func())) float64 {
	begin := make(chan struct{})
	b := inBackground(goroutines, readsBeforeYield, func(g int) (func(int), func()) {
		loop, end := start(g)
		waited := false
		return func(n int) {
			if !waited {
				<-begin
				waited = true
			}
			loop(n)
			runtime.Gosched()
		}, end
	})
	began := time.Now()
	close(begin)
	time.Sleep(d)
	ops := b.stop()
	return float64(time.Since(began).Nanoseconds()) * float64(procs) / float64(ops)
}

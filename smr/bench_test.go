package smr

import (
	"context"
	"runtime"
	"strconv"
	"sync"
	"testing"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/gosmr/gosmr/pcpu"
)

// The benchmarks come with their peers, for comparison within one run: use
// -count 10 and compare medians. What the project promises of them is in the
// README.

func BenchmarkPeer_ProcPin(b *testing.B) {
	if !pcpu.Exclusive {
		b.Skip("this build cannot pin")
	}
	for range b.N {
		pcpu.Pin()
		pcpu.Unpin()
	}
}

func BenchmarkPin(b *testing.B) {
	d := newDomain(b, Options{})
	for range b.N {
		s := d.Pin()
		s.Leave()
	}
}

func BenchmarkReader(b *testing.B) {
	d := newDomain(b, Options{})
	r := d.NewReader()
	for range b.N {
		s := r.Enter()
		s.Leave()
	}
}

func BenchmarkEnter(b *testing.B) {
	d := newDomain(b, Options{})
	for range b.N {
		s := d.Enter()
		s.Leave()
	}
}

func BenchmarkTryEnter(b *testing.B) {
	d := newDomain(b, Options{})
	for range b.N {
		if s, ok := d.TryEnter(); ok {
			s.Leave()
		}
	}
}

// BenchmarkEnter where one section in so many is sampled: compare with BenchmarkEnter.
func BenchmarkEnterSampled(b *testing.B) {
	for _, n := range []int{1_000_000, 1000, 1} {
		b.Run(strconv.Itoa(n), func(b *testing.B) {
			d := newDomain(b, Options{SampleSections: n})
			for range b.N {
				s := d.Enter()
				s.Leave()
			}
		})
	}
}

func BenchmarkPeer_RWMutex(b *testing.B) {
	var mu sync.RWMutex
	for range b.N {
		mu.RLock()
		//lint:ignore SA2001 the lock is what is measured
		mu.RUnlock()
	}
}

func BenchmarkPeer_RBMutex(b *testing.B) {
	mu := xsync.NewRBMutex()
	for range b.N {
		t := mu.RLock()
		mu.RUnlock(t)
	}
}

// Parallel: one goroutine for each processor; compare -cpu 1 with -cpu 2.

func BenchmarkEnterParallel(b *testing.B) {
	d := newDomain(b, Options{})
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := d.Enter()
			s.Leave()
		}
	})
}

func BenchmarkPeer_RWMutexParallel(b *testing.B) {
	var mu sync.RWMutex
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.RLock()
			//lint:ignore SA2001 the lock is what is measured
			mu.RUnlock()
		}
	})
}

func BenchmarkPeer_RBMutexParallel(b *testing.B) {
	mu := xsync.NewRBMutex()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			t := mu.RLock()
			mu.RUnlock(t)
		}
	})
}

// What a reader does: enter, follow a pointer, read, leave; beside the same with
// a lock.

func BenchmarkRead(b *testing.B) {
	d := newDomain(b, Options{})
	var p Pointer[object]
	p.Init(&object{word: 1})
	var sum uint64
	for range b.N {
		s := d.Enter()
		sum += p.Load(s).word
		s.Leave()
	}
	runtime.KeepAlive(sum)
}

func BenchmarkPeer_ReadRWMutex(b *testing.B) {
	var mu sync.RWMutex
	p := &object{word: 1}
	var sum uint64
	for range b.N {
		mu.RLock()
		sum += p.word
		mu.RUnlock()
	}
	runtime.KeepAlive(sum)
}

func countObject(o *object) { o.word++ }

// From Call to the callback's return, all of b.N of them.
func BenchmarkCall(b *testing.B) {
	b.ReportAllocs()
	d := newDomain(b, Options{})
	ctx := context.Background()
	o := new(object)
	for i := range b.N {
		Call(d, o, 64, countObject)
		if i%64 == 0 {
			if err := d.Throttle(ctx); err != nil {
				b.Fatal(err)
			}
		}
	}
	if err := d.Barrier(ctx); err != nil {
		b.Fatal(err)
	}
}

// What a program without this package does: leave it to the collector, with a
// cleanup for what must be told.
func BenchmarkPeer_AddCleanup(b *testing.B) {
	b.ReportAllocs()
	for range b.N {
		o := new(object)
		runtime.AddCleanup(o, func(int) {}, 0)
	}
}

func BenchmarkSynchronize(b *testing.B) {
	d := newDomain(b, Options{})
	ctx := context.Background()
	for range b.N {
		if err := d.Synchronize(ctx); err != nil {
			b.Fatal(err)
		}
	}
}

// With another processor running all the while, which the fence interrupts.
func BenchmarkSynchronizeBesideReader(b *testing.B) {
	if runtime.GOMAXPROCS(0) < 2 {
		b.Skip("needs two processors")
	}
	d := newDomain(b, Options{})
	ctx := context.Background()
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				s := d.Enter()
				s.Leave()
			}
		}
	})
	b.ResetTimer()
	for range b.N {
		if err := d.Synchronize(ctx); err != nil {
			b.Fatal(err)
		}
	}
	b.StopTimer()
	close(stop)
	wg.Wait()
}

func BenchmarkPollReached(b *testing.B) {
	d := newDomain(b, Options{})
	goal := d.Advance()
	for range b.N {
		if !d.Poll(goal) {
			b.Fatal("not reached")
		}
	}
}

// To keep an object after a section; beside a count of references under a lock, which is pebble's
// way to keep a snapshot.

func BenchmarkHold(b *testing.B) {
	d := newDomain(b, Options{})
	var p Pointer[object]
	p.Init(new(object))
	b.ReportAllocs()
	for range b.N {
		s := d.Enter()
		h := Hold(s, p.Load(s))
		s.Leave()
		h.Release()
	}
}

// The same in a section that is open anyway.
func BenchmarkHoldInSection(b *testing.B) {
	d := newDomain(b, Options{})
	o := new(object)
	s := d.Enter()
	defer s.Leave()
	b.ReportAllocs()
	for range b.N {
		h := Hold(s, o)
		h.Release()
	}
}

func BenchmarkHoldParallel(b *testing.B) {
	d := newDomain(b, Options{})
	var p Pointer[object]
	p.Init(new(object))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			s := d.Enter()
			h := Hold(s, p.Load(s))
			s.Leave()
			h.Release()
		}
	})
}

func BenchmarkPeer_CountUnderRWMutexParallel(b *testing.B) {
	var mu sync.RWMutex
	current := new(object)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			mu.RLock()
			o := current
			o.runs.Add(1)
			mu.RUnlock()
			o.runs.Add(-1)
		}
	})
}

// A flood of calls while some objects are held, or a section is open.
func BenchmarkCallHeld(b *testing.B) {
	for name, held := range map[string]int{"0": 0, "1": 1, "100": 100, "10000": 10_000} {
		b.Run(name, func(b *testing.B) {
			d := newDomain(b, Options{MaxPending: -1})
			s := d.Enter()
			var holds []Held[object]
			for range held {
				holds = append(holds, Hold(s, new(object)))
			}
			s.Leave()
			defer func() {
				for _, h := range holds {
					h.Release()
				}
			}()
			o := new(object)
			b.ResetTimer()
			for i := range b.N {
				Call(d, o, 64, func(*object) {})
				if i%1024 == 0 {
					d.Throttle(context.Background())
				}
			}
			d.Barrier(context.Background())
		})
	}
}

// Sections in sections: compare with BenchmarkEnter.
func BenchmarkNested(b *testing.B) {
	for _, depth := range []int{2, 4, 8} {
		b.Run(strconv.Itoa(depth), func(b *testing.B) {
			d := newDomain(b, Options{})
			open := make([]Section, depth)
			for range b.N {
				for i := range open {
					open[i] = d.Enter()
				}
				for i := range open {
					open[depth-1-i].Leave()
				}
			}
		})
	}
}

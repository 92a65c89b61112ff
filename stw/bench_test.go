package stw

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

func BenchmarkPoll(b *testing.B) {
	w := newWorld(b, Options{})
	asDomain(b, w, func(d *Domain) {
		b.Run("EmptyLoop", func(b *testing.B) {
			for range b.N {
			}
		})
		b.Run("Poll", func(b *testing.B) {
			for range b.N {
				d.Poll()
			}
		})
		b.Run("Mutex", func(b *testing.B) {
			var mu sync.Mutex
			for range b.N {
				mu.Lock()
				//lint:ignore SA2001 the lock is what is measured
				mu.Unlock()
			}
		})
		b.Run("Blocking", func(b *testing.B) {
			for range b.N {
				d.EnterBlocking()
				d.LeaveBlocking()
			}
		})
	})
}

var benchSink int

// One protected load in a section of each kind.
func BenchmarkRead(b *testing.B) {
	dom := newDomain(b)
	w := newWorld(b, Options{SMR: []*smr.Domain{dom}})
	var p smr.Pointer[int]
	p.Init(new(int))
	r := dom.NewReader()
	defer r.Close()
	asDomain(b, w, func(d *Domain) {
		b.Run("Domain.Section+Poll", func(b *testing.B) {
			sum := 0
			for range b.N {
				sum += *p.Load(d.Section())
				d.Poll()
			}
			benchSink += sum
		})
		b.Run("Domain.Section1000+Poll", func(b *testing.B) {
			sum := 0
			for n := b.N; n > 0; n -= 1000 {
				s := d.Section()
				for range min(n, 1000) {
					sum += *p.Load(s)
				}
				d.Poll()
			}
			benchSink += sum
		})
		b.Run("Reader", func(b *testing.B) {
			sum := 0
			for range b.N {
				s := r.Enter()
				sum += *p.Load(s)
				s.Leave()
			}
			benchSink += sum
		})
		b.Run("Enter", func(b *testing.B) {
			sum := 0
			for range b.N {
				s := dom.Enter()
				sum += *p.Load(s)
				s.Leave()
			}
			benchSink += sum
		})
		b.Run("RWMutex", func(b *testing.B) {
			sum := 0
			var mu sync.RWMutex
			for range b.N {
				mu.RLock()
				sum += *p.LoadSerialized()
				mu.RUnlock()
			}
			benchSink += sum
		})
	})
}

// busy works for about that long.
func busy(t time.Duration) {
	for began := time.Now(); time.Since(began) < t; {
	}
}

// startBusy starts running domains that poll every so often, and blocked ones.
func startBusy(b *testing.B, w *World, running, blocked int, every time.Duration) (end func()) {
	c := new(crowd)
	for range running {
		c.domains = append(c.domains, spawn(b, w, func(d *Domain) {
			for !c.quit.Load() {
				busy(every)
				d.Poll()
			}
		}))
	}
	var releases []chan struct{}
	for range blocked {
		d, release := startBlocked(b, w)
		c.domains = append(c.domains, d)
		releases = append(releases, release)
	}
	for _, d := range c.domains[:running] {
		waitState(b, d, Running)
	}
	return func() {
		for _, r := range releases {
			close(r)
		}
		c.end(b)
	}
}

// latencies times do, and reports the median and the 99th percentile beside the mean. The caller is
// busy for pause after each.
func latencies(b *testing.B, pause time.Duration, do func()) {
	all := make([]time.Duration, 0, b.N)
	b.ResetTimer()
	for range b.N {
		began := time.Now()
		do()
		all = append(all, time.Since(began))
		busy(pause) // let them run on
	}
	b.StopTimer()
	slices.Sort(all)
	b.ReportMetric(float64(all[len(all)/2].Nanoseconds()), "ns/median")
	b.ReportMetric(float64(all[len(all)*99/100].Nanoseconds()), "ns/p99")
}

// Latency of a stop and restart, and of a ragged barrier, that one domain leads,
// the others polling every microsecond.
func BenchmarkStop(b *testing.B) {
	for _, n := range []int{2, 8, 64} {
		for _, blocked := range []int{0, n / 2} {
			name := fmt.Sprintf("%d", n)
			if blocked > 0 {
				name += "HalfBlocked"
			}
			each := func(what string, op func(*World, *Domain)) {
				b.Run(name+"/"+what, func(b *testing.B) {
					w := newWorld(b, Options{})
					end := startBusy(b, w, n-1-min(blocked, n-1), blocked, time.Microsecond)
					asDomain(b, w, func(d *Domain) { latencies(b, time.Microsecond, func() { op(w, d) }) })
					end()
				})
			}
			each("RunOnAll", func(w *World, d *Domain) { w.RunOnAll(d, func(*Domain, *Stop) {}, StopOptions{}) })
			each("ForEach", func(_ *World, d *Domain) { d.ForEach(func(*Domain) {}) })
		}
	}
	b.Run("2/StopStart", func(b *testing.B) {
		w := newWorld(b, Options{})
		end := startBusy(b, w, 2, 0, time.Microsecond)
		latencies(b, time.Microsecond, func() { w.Stop(); w.Start() })
		end()
	})
}

// How long a grace period takes beside running domains that poll now and then: one, and more than
// there are processors. They run for pause between two, in which those that do not run are preempted
// in their sections.
func BenchmarkGracePeriod(b *testing.B) {
	for _, c := range []struct {
		domains      int
		every, pause time.Duration
	}{
		{1, time.Microsecond, time.Microsecond},
		{1, 100 * time.Microsecond, time.Microsecond},
		{1, 10 * time.Millisecond, time.Microsecond},
		{2, time.Microsecond, time.Microsecond},
		{2, time.Microsecond, 20 * time.Millisecond},
		{8, time.Microsecond, time.Microsecond},
		{8, time.Microsecond, 20 * time.Millisecond},
		{64, time.Microsecond, time.Microsecond},
	} {
		b.Run(fmt.Sprintf("%d/%v/%v", c.domains, c.every, c.pause), func(b *testing.B) {
			dom := newDomain(b)
			w := newWorld(b, Options{SMR: []*smr.Domain{dom}})
			end := startBusy(b, w, c.domains, 0, c.every)
			latencies(b, c.pause, func() { require.NoError(b, dom.Synchronize(context.Background())) })
			end()
		})
	}
}

// BenchmarkSpawn is a domain's whole life.
func BenchmarkSpawn(b *testing.B) {
	b.ReportAllocs()
	w := newWorld(b, Options{})
	var ended atomic.Int64
	for range b.N {
		d, err := w.Spawn(func(*Domain) { ended.Add(1) })
		if err != nil {
			runtime.Gosched()
			continue
		}
		d.Join(context.Background())
	}
}

// A cycle allocates and writes, a page at a time, and empties the areas: the same amount each time, or
// much in every fourth cycle only, the rest of which goes back.
func BenchmarkReservation_Cycle(b *testing.B) {
	for _, bm := range []struct {
		name  string
		sizes []int
	}{
		{"4KiB", []int{4 << 10}},
		{"256KiB", []int{256 << 10}},
		{"4MiB", []int{4 << 20}},
		{"4MiB,1of4", []int{4 << 20, 4 << 10, 4 << 10, 4 << 10}},
	} {
		b.Run(bm.name, func(b *testing.B) {
			w := newWorld(b, Options{Max: 1})
			r, err := w.NewReservation(8 << 20)
			require.NoError(b, err)
			asDomain(b, w, func(d *Domain) {
				for i := 0; b.Loop(); i++ {
					mem, err := r.Alloc(d, bm.sizes[i%len(bm.sizes)])
					if err != nil {
						b.Error(err)
					}
					for at := 0; at < len(mem); at += 64 {
						mem[at]++
					}
					if err := r.Reset(d, nil); err != nil {
						b.Error(err)
					}
				}
				r.Release(d)
			})
		})
	}
}

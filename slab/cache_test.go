package slab

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/pcpu"
)

// Nothing is lost of caches that are unloaded while others give back what there is no room for:
// with magazines of one object that is so each time.
func TestUnload_DuringSlowPaths(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	d := newDomain(t)
	b := NewBlocks(d, Options{})
	const size = magazineBytes - 1000
	s := &b.classes[class(size)]
	require.Equal(t, 1, s.capacity)
	var wg sync.WaitGroup
	var stop atomic.Bool
	for range 2 {
		wg.Go(func() {
			for !stop.Load() {
				s.policy.trim(trimCaches)
			}
		})
	}
	var users sync.WaitGroup
	var failed atomic.Pointer[error]
	for g := range 2 {
		users.Go(func() {
			for i := range rounds(50_000) {
				block, err := b.Get(size)
				if err != nil {
					failed.Store(&err)
					return
				}
				if (i+g)%2 == 0 {
					b.Free(block)
				} else {
					b.Retire(block)
				}
			}
		})
	}
	users.Wait()
	stop.Store(true)
	wg.Wait()
	require.Nil(t, failed.Load())
	require.NoError(t, b.Close(watchdogContext(t)))
}

// Who unloads a cache finds it either not in use, or waits for who is at it. The window
// between the holder's two instructions is met by trying often.
func TestUnload_WaitsForHolder(t *testing.T) {
	if !pcpu.Exclusive {
		t.Skip("in this build caches are taken by compare-and-swap, which needs no fence")
	}
	if runtime.GOMAXPROCS(0) < 2 {
		t.Skip("needs two processors")
	}
	for name, fence := range map[string]asym.Fence{"membarrier": asym.New(), "both": asym.Both()} {
		t.Run(name, func(t *testing.T) {
			p := New[flat](newDomain(t), Options{})
			s := p.s
			s.fence = fence
			var stop atomic.Bool
			var broken, taken atomic.Int64
			var wg sync.WaitGroup
			wg.Go(func() {
				for i := 0; !stop.Load(); i++ {
					c := s.pin()
					ld := c.magazines()
					if ld != nil {
						n := (*uintptr)(unsafe.Pointer(&ld.get.n))
						before := *n
						for range 20 {
							if atomic.LoadUintptr(n) != before { // so that it is loaded each time
								broken.Add(1)
								break
							}
						}
					}
					c.unpin()
					if ld == nil {
						s.pinLoaded().unpin()
					}
					if i%1000 == 0 {
						runtime.Gosched()
					}
				}
			})
			deadline := time.Now().Add(time.Second)
			for i := 0; broken.Load() == 0 && (taken.Load() < 1000 || time.Now().Before(deadline)); i++ {
				for _, ld := range s.unload() {
					taken.Add(1)
					for range 20 {
						ld.get.n++
					}
				}
				for range i % 100 {
				}
				if i%1000 == 0 {
					runtime.Gosched()
				}
			}
			stop.Store(true)
			wg.Wait()
			s.unload()
			require.Zero(t, broken.Load(), "the cache was unloaded under its holder")
		})
	}
}

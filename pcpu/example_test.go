package pcpu_test

import (
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/pcpu"
)

// Goroutines on different processors count without slowing each other down.
func ExampleCounter() {
	var requests pcpu.Counter
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				requests.Add(1)
			}
		})
	}
	wg.Wait()
	fmt.Println(requests.Load())
	// Output: 4000
}

// Each processor has a maximum of its own; to read all is to combine them.
func ExampleSlots() {
	var largest pcpu.Slots[atomic.Int64]
	largest.Init(func(int) *atomic.Int64 { return new(atomic.Int64) })
	note := func(size int64) {
		id := pcpu.Pin()
		mine := largest.At(id)
		pcpu.Unpin()
		if mine == nil {
			mine = largest.Grow(id) // the first time on this processor
		}
		for old := mine.Load(); size > old && !mine.CompareAndSwap(old, size); old = mine.Load() {
		}
	}

	var wg sync.WaitGroup
	for i := range int64(100) {
		wg.Go(func() { note(i) })
	}
	wg.Wait()
	all := int64(0)
	for _, one := range largest.All() {
		all = max(all, one.Load())
	}
	fmt.Println(all)
	// Output: 99
}

package pcpu

import (
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
)

// A Counter is a sum that many goroutines add to and few read: one padded word for
// each processor. Add is a pinned load and store where the build allows it, else an
// atomic add on a stripe. The zero value is ready to use. A Counter must not be copied
// after first use.
type Counter struct {
	init  sync.Once
	slots Slots[cell]
}

// A cell is stored by its processor alone where Exclusive, else by atomic add. Load
// loads it from anywhere.
type cell struct {
	n relacq.Uint64
	_ [Stride - unsafe.Sizeof(relacq.Uint64{})]byte
}

// Add adds delta. It takes no lock, and allocates only on a processor's first Add. The
// very first Add of a counter must not be called while pinned; any later one may.
func (c *Counter) Add(delta int64) {
	c.init.Do(c.setup)
	id := Pin()
	s := c.slots.At(id)
	if s == nil {
		s = c.slots.Grow(id)
	}
	if Exclusive {
		s.n.Store(s.n.Load() + uint64(delta))
	} else {
		s.n.Add(uint64(delta))
	}
	Unpin()
}

// Load returns the sum. It counts the Adds that happened before, and those that run at
// the same time or not.
//
// Cost: a load for each processor.
func (c *Counter) Load() int64 {
	c.init.Do(c.setup)
	var sum uint64
	for _, s := range c.slots.All() {
		sum += s.n.Load()
	}
	return int64(sum)
}

// setup makes the slots. It takes a lock, in Once, and so must not be called while pinned.
func (c *Counter) setup() {
	c.slots.Init(func(int) *cell { return new(cell) })
}

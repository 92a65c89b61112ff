package pcpu

import (
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
)

// A Counter is a sum that many goroutines add to and few read: one padded word
// per processor. Add is a pinned load and store where the build allows it, else
// an atomic add on a stripe. The zero value is ready and counts 0; a Counter
// must not be copied after first use.
type Counter struct {
	init  sync.Once
	slots Slots[cell]
}

// A cell is written by its processor alone where Exclusive, else by atomic add;
// Load reads it from anywhere.
type cell struct {
	n relacq.Uint64
	_ [Stride - unsafe.Sizeof(relacq.Uint64{})]byte
}

// Add adds delta. It takes no lock and allocates only when a processor shows up
// that never added before. It may be called while pinned, except for the first
// Add of all on this counter.
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

// Load returns the sum. Adds that run at the same time are counted or not; adds
// that happened before are counted. Cost: one load per processor.
func (c *Counter) Load() int64 {
	c.init.Do(c.setup)
	var sum uint64
	for _, s := range c.slots.All() {
		sum += s.n.Load()
	}
	return int64(sum)
}

func (c *Counter) setup() {
	c.slots.Init(func(int) *cell { return new(cell) })
}

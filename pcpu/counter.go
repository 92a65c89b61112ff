package pcpu

import (
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
)

// A Counter is a sum that many goroutines add to and few read: one padded word for each processor.
// The zero value is ready to use. Do not copy a Counter after first use.
type Counter struct {
	init  sync.Once
	slots Slots[cell]
}

// A cell is stored by its processor alone where Exclusive, else changed by atomic add. Any
// goroutine loads it.
type cell struct {
	n relacq.Uint64
	_ [Stride - unsafe.Sizeof(relacq.Uint64{})]byte
}

// Add adds delta. A counter's very first Add or Load takes a lock, and must not be called while
// pinned; any later one may. Only a processor's first Add allocates.
//
// Cost: a pinned load and store where the build allows it, else an atomic add on a stripe.
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

// Load returns the sum of the Adds that happened before it, and perhaps of concurrent ones.
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

func (c *Counter) setup() {
	c.slots.Init(func(int) *cell { return new(cell) })
}

//go:build invariants

package smrmap

import (
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/goid"
)

// computing has the goroutines in a function of Compute, each with the stack of its Compute. They
// hold a bucket's lock, so what locks another bucket, or the same, may wait for ever: it panics.
type computing struct {
	n  atomic.Int32 // the length of by; loaded without mu, to spare others the search
	mu sync.Mutex
	by map[uint64][]uintptr
}

// compute calls the function of a Compute.
func compute[V any](c *computing, fn func(V, bool) (V, Op), old V, loaded bool) (V, Op) {
	id, pcs := goid.Get(), make([]uintptr, 16)
	c.set(id, pcs[:runtime.Callers(2, pcs)])
	defer c.set(id, nil)
	return fn(old, loaded)
}

func (c *computing) set(id uint64, stack []uintptr) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.by == nil {
		c.by = make(map[uint64][]uintptr)
	}
	if stack != nil {
		c.by[id] = stack
	} else {
		delete(c.by, id)
	}
	c.n.Store(int32(len(c.by)))
}

// forbids panics if the calling goroutine is in a function of Compute.
func (c *computing) forbids(what string) {
	if c.n.Load() == 0 {
		return
	}
	c.mu.Lock()
	stack := c.by[goid.Get()]
	c.mu.Unlock()
	if stack == nil {
		return
	}
	pcs := make([]uintptr, 16)
	panic(fmt.Sprintf("smrmap: %s of a map in a function of its own Compute, which holds a lock that this may wait for. Return from the function what is to be "+
		"stored, and do the rest after Compute.%s\ninside the Compute called%s", what, callers.Stack(pcs[:runtime.Callers(2, pcs)]).By(), callers.Stack(stack).By()))
}

//go:build invariants

package slab

import (
	"fmt"
	"runtime"
	"strings"
	"unsafe"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/internal/pinned"
)

// checks know each object that was ever given out from a slab that still exists.
type checks struct {
	s    *store
	keep bool // do not poison

	mu      pinned.Lock // guards objects
	objects map[unsafe.Pointer]*objectState
}

type objectState struct {
	state objectStatus
	stack []uintptr // of the call that put it into this state
}

type objectStatus string

const (
	inUse     objectStatus = "in use"
	free      objectStatus = "free"
	isRetired objectStatus = "retired"
)

func (c *checks) init(s *store, keep bool) {
	c.s, c.keep = s, keep
	c.objects = make(map[unsafe.Pointer]*objectState)
}

// got checks that an object about to be given out is free, and not written to since it was freed.
func (c *checks) got(p unsafe.Pointer) {
	c.mu.Lock()
	o := c.objects[p]
	if o == nil {
		o = new(objectState)
		c.objects[p] = o
	} else if o.state != free {
		c.mu.Unlock()
		panic(fmt.Sprintf("slab: %s: %p is given out while it is %v%s", c.s.name, p, o.state, frames(o.stack)))
	} else if !c.keep {
		if i := unpoisoned(p, c.s.size); i >= 0 {
			c.mu.Unlock()
			panic(fmt.Sprintf("slab: %s: byte %d of %p was written after it was freed%s", c.s.name, i, p, frames(o.stack)))
		}
	}
	o.state, o.stack = inUse, callers()
	c.tell(p, o)
	c.mu.Unlock()
}

// freed and retired check that an object given back is in use; unretired undoes retired.
func (c *checks) freed(p unsafe.Pointer) {
	c.change(p, inUse, free, "Free")
	c.notCalled(p, "Free")
	c.fill(p)
}

func (c *checks) retired(p unsafe.Pointer) {
	c.change(p, inUse, isRetired, "Retire")
	c.notCalled(p, "Retire")
}
func (c *checks) unretired(p unsafe.Pointer) { c.change(p, isRetired, inUse, "Retire") }

// poison is for retired objects that no reader can hold any more.
func (c *checks) poison(m *magazine) {
	for _, p := range m.objs[:m.n] {
		c.fill(p)
		c.change(p, isRetired, free, "reuse")
	}
}

func (c *checks) fill(p unsafe.Pointer) {
	if c.keep {
		return
	}
	poison(p, c.s.size)
}

// change moves an object from one state to another. It panics if the object is not in the first.
func (c *checks) change(p unsafe.Pointer, from, to objectStatus, what string) {
	c.mu.Lock()
	o := c.objects[p]
	if o == nil {
		c.mu.Unlock()
		panic(fmt.Sprintf("slab: %s: %s of %p, which is not an object of this pool", c.s.name, what, p))
	}
	if o.state != from {
		c.mu.Unlock()
		panic(fmt.Sprintf("slab: %s: %s of %p, which is %v%s", c.s.name, what, p, o.state, frames(o.stack)))
	}
	o.state = to
	if to != inUse {
		o.stack = callers()
	}
	c.tell(p, o)
	c.mu.Unlock()
}

// forget is for an object whose memory is new.
func (c *checks) forget(p unsafe.Pointer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.objects, p)
}

// drop forgets the objects of a slab that goes back to the system.
func (c *checks) drop(sl *slab) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i := range c.s.perSlab {
		delete(c.objects, sl.object(i))
		fate.TakeBack(sl.object(i))
	}
}

// leaks lists where some of the objects that were not given back were gotten.
func (c *checks) leaks() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var text strings.Builder
	n := 0
	for p, o := range c.objects {
		if o.state != inUse {
			continue
		}
		if n++; n <= maxLeaks {
			fmt.Fprintf(&text, "; %p, gotten%s", p, frames(o.stack))
		}
	}
	return text.String()
}

// callers returns the stack of the call into this package.
func callers() []uintptr {
	pcs := make([]uintptr, 16)
	return pcs[:runtime.Callers(4, pcs)]
}

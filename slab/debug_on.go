//go:build invariants

package slab

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"unsafe"

	"github.com/gosmr/gosmr/internal/fate"
	"github.com/gosmr/gosmr/internal/pinned"
	"github.com/gosmr/gosmr/smr"
)

// checks know each object that was ever given out from a slab that still exists.
type checks struct {
	s    *store
	pool string // its name, and the type where the name is not that
	keep bool   // do not poison

	mu      pinned.Lock // guards all below
	objects map[unsafe.Pointer]*objectState

	// An expedited call poisons retired objects when their readers have left, though nothing is to
	// reuse them yet. One at a time is on its way, for those in called; next has those retired since.
	// So an object is poisoned two grace periods after Retire at the latest.
	calling      bool
	called, next []retirement
}

// A retirement is a Retire of an object: of o, unless that was retired again.
type retirement struct {
	p unsafe.Pointer
	o *objectState
	n int
}

type objectState struct {
	state    objectStatus
	how      string    // it came into its state, or into the one before free: "gotten", "freed", "retired"
	stack    []uintptr // of the call that did
	retires  int
	poisoned bool // while it is retired
}

type objectStatus string

const (
	inUse     objectStatus = "in use"
	free      objectStatus = fate.Free
	isRetired objectStatus = "retired"
)

// everyPool has the checks of all stores but those that were closed or dropped, to find whose an
// object is: also in a pinned section, in which a mutex could block, and so could a weak pointer.
var everyPool struct {
	mu     pinned.Lock // not taken with a checks.mu held
	checks []*checks
}

func (c *checks) init(s *store, kind string, keep bool) {
	c.s, c.pool, c.keep = s, s.name, keep
	if kind != s.name {
		c.pool += " of " + kind
	}
	c.objects = make(map[unsafe.Pointer]*objectState)
	everyPool.mu.Lock()
	defer everyPool.mu.Unlock()
	everyPool.checks = append(everyPool.checks, c)
}

// close is for a store in which no object is in use.
func (c *checks) close() {
	everyPool.mu.Lock()
	defer everyPool.mu.Unlock()
	everyPool.checks = slices.DeleteFunc(everyPool.checks, func(other *checks) bool { return other == c })
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
		panic(fmt.Sprintf("slab: pool %s: %p is given out while it is %v; it was %s%s", c.pool, p, o.state, o.how, frames(o.stack)))
	} else if !c.keep {
		if i := unpoisoned(p, c.s.size); i >= 0 {
			c.mu.Unlock()
			panic(c.written(p, i, o))
		}
	}
	o.state, o.how, o.stack = inUse, "gotten", callStack()
	c.tell(p, o)
	c.mu.Unlock()
}

// written describes a write to an object that was given back.
func (c *checks) written(p unsafe.Pointer, i int, o *objectState) string {
	return fmt.Sprintf("slab: pool %s: byte %d of %p was written after it was %s. "+
		"Give an object back when nothing uses it any more; readers, by the end of their sections. It was %s%s",
		c.pool, i, p, o.how, o.how, frames(o.stack))
}

// freed and retired check that an object given back is in use; unretired undoes retired.
func (c *checks) freed(p unsafe.Pointer) {
	c.giveBack(p, free, "Free", "freed")
	c.notCalled(p, "Free")
	c.fill(p)
}

func (c *checks) retired(p unsafe.Pointer) {
	c.giveBack(p, isRetired, "Retire", "retired")
	c.notCalled(p, "Retire")
}

func (c *checks) unretired(p unsafe.Pointer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.objects[p]
	o.state = inUse
	c.tell(p, o)
}

// giveBack moves an object in use to another state. It panics if it is in none.
func (c *checks) giveBack(p unsafe.Pointer, to objectStatus, what, how string) {
	stack := callStack()
	c.mu.Lock()
	o := c.objects[p]
	if o == nil || o.state != inUse {
		var was objectState
		if o != nil {
			was = *o
		}
		c.mu.Unlock()
		if o == nil {
			panic(fmt.Sprintf("slab: pool %s: %s of %p, which is %s", c.pool, what, p, c.foreign(p)))
		}
		panic(fmt.Sprintf("slab: pool %s: %s of %p, which was %s before, and not given out since. "+
			"Give each object back once: by the one that unlinked it. It was %s%s\nand is now to be %s again%s",
			c.pool, what, p, was.how, was.how, frames(was.stack), how, frames(stack)))
	}
	o.state, o.how, o.stack, o.poisoned = to, how, stack, false
	o.retires++
	c.tell(p, o)
	c.mu.Unlock()
}

// foreign says whose object p is that is not this pool's.
func (c *checks) foreign(p unsafe.Pointer) string {
	everyPool.mu.Lock()
	all := slices.Clone(everyPool.checks)
	everyPool.mu.Unlock()
	for _, other := range all {
		if other == c {
			continue
		}
		other.mu.Lock()
		o := other.objects[p]
		var was objectState
		if o != nil {
			was = *o
		}
		other.mu.Unlock()
		if o != nil {
			return fmt.Sprintf("an object of pool %s. Give it back to that one, where it was %s%s", other.pool, was.how, frames(was.stack))
		}
	}
	return "not an object of this pool, nor of another: a pointer into an object, or to one whose slab went back to the system"
}

// expedite has a retired object poisoned soon. It does not block.
func (c *checks) expedite(p unsafe.Pointer) {
	if c.keep {
		return
	}
	c.mu.Lock()
	if o := c.objects[p]; o != nil && o.state == isRetired { // else others were quicker
		c.next = append(c.next, retirement{p, o, o.retires})
	}
	call := c.callLocked()
	c.mu.Unlock()
	if call {
		c.call()
	}
}

// callLocked reports whether to make a call now.
func (c *checks) callLocked() bool {
	if c.calling || len(c.next) == 0 {
		return false
	}
	c.calling, c.called, c.next = true, c.next, nil
	return true
}

func (c *checks) call() {
	if smr.TryCall(c.s.dom, c, smr.Expedite, (*checks).unread) {
		return
	}
	c.mu.Lock() // the domain is closed: Close poisons them
	defer c.mu.Unlock()
	c.calling, c.called = false, nil
}

// unread poisons the objects in called, which no reader can hold, unless they are held: those are
// poisoned when they are ready.
func (c *checks) unread() {
	held := c.s.holds.Now()
	c.mu.Lock()
	for _, r := range c.called {
		if o := r.o; !held.Has(uintptr(r.p)) && c.objects[r.p] == o && o.state == isRetired && o.retires == r.n && !o.poisoned {
			c.fill(r.p)
			o.poisoned = true
		}
	}
	c.calling, c.called = false, nil
	call := c.callLocked()
	c.mu.Unlock()
	if call {
		c.call()
	}
}

// ready is for retired objects that no reader can hold any more.
func (c *checks) ready(m *magazine) {
	for _, p := range m.objs[:m.n] {
		c.ended(p)
		c.mu.Lock()
		o := c.objects[p]
		i := -1
		if !o.poisoned {
			c.fill(p)
		} else if !c.keep {
			i = unpoisoned(p, c.s.size)
		}
		was := *o
		c.mu.Unlock()
		if i >= 0 {
			panic(c.written(p, i, &was))
		}
	}
}

// ended makes a retired object free.
func (c *checks) ended(p unsafe.Pointer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.objects[p]; o.state == isRetired {
		o.state = free
		c.tell(p, o)
	}
}

func (c *checks) fill(p unsafe.Pointer) {
	if !c.keep {
		poison(p, c.s.size)
	}
}

// forget is for an object whose memory is new, or may be another's from now on.
func (c *checks) forget(p unsafe.Pointer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.objects, p)
	fate.TakeBack(p)
}

// drop forgets the objects of a slab that goes back to the system. It is the last to see a write to
// one that was not given out again.
func (c *checks) drop(sl *slab) {
	var text string
	c.mu.Lock()
	for i := range c.s.perSlab {
		p := sl.object(i)
		o := c.objects[p]
		if o != nil && o.state == free && !c.keep && text == "" {
			if i := unpoisoned(p, c.s.size); i >= 0 {
				text = c.written(p, i, o)
			}
		}
		delete(c.objects, p)
		fate.TakeBack(p)
	}
	c.mu.Unlock()
	if text != "" {
		panic(text)
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

// callStack returns the stack of the call into this package.
func callStack() []uintptr {
	pcs := make([]uintptr, 64)
	return pcs[:runtime.Callers(4, pcs)]
}

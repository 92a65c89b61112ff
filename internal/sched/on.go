//go:build smr_sched

package sched

import (
	"runtime"
	"slices"
	"unsafe"
)

// Controlled says whether this build runs goroutines under the scheduler.
const Controlled = true

// Go starts a goroutine, on the last processor.
func Go(fn func()) {
	g := current()
	if g == nil {
		go fn()
		return
	}
	g.x.drain(g.proc) // the new goroutine sees what precedes the go statement
	g.x.Go("", g.x.procs-1, fn)
}

// Detached returns fn for other code to run on a new goroutine. It first makes that goroutine one
// of the program's: a new goroutine inherits its starter's label and would pass for the starter.
func Detached(fn func()) func() {
	g := current()
	if g == nil {
		return fn
	}
	return func() {
		setLabel(nil)
		g.x.Go("", g.x.procs-1, fn)
	}
}

// Gosched lets another goroutine do something before the caller continues; not always, as that
// one may be slow on another processor. It must not be called while pinned.
func Gosched() {
	g := current()
	if g == nil {
		runtime.Gosched()
		return
	}
	g.x.mayBlock(g, "yields")
	g.yielded = true
	g.x.point(g, "yield", nil)
	g.yielded = false
}

// Await yields until another goroutine sets flag to other than 0.
func Await(flag interface{ Load() uint64 }) {
	for flag.Load() == 0 {
		Gosched()
	}
}

// Procs is how many virtual processors there are, or GOMAXPROCS.
func Procs() int {
	if x := exploring.Load(); x != nil {
		return x.procs
	}
	return runtime.GOMAXPROCS(0)
}

// Spins returns how often to poll before doing something dearer: not at all, as polling would let
// the other goroutines past the state that the dearer step is for.
func Spins(int) int { return 0 }

// Plain comes before a non-atomic access to memory, where it matters that other goroutines may
// act between the caller's last atomic access and this one.
func Plain() { Point("access memory", nil) }

// Point is a point, and nothing else.
func Point(op string, p unsafe.Pointer) {
	if g := current(); g != nil {
		g.x.point(g, op, p)
	}
}

// Wakes comes before an operation outside of sched/sync that may wake another goroutine: a send
// on a channel, or a close. It drains the store buffer, as the lock in the channel does.
func Wakes() {
	if g := current(); g != nil {
		g.x.point(g, "wake", nil)
		g.x.drain(g.proc)
		g.x.settle()
	}
}

// Load is the point before a load of the word at p. It returns what the processor's own store
// buffer has for it.
func Load(p unsafe.Pointer) (word unsafe.Pointer, bits uint64, buffered bool) {
	g := current()
	if g == nil {
		return nil, 0, false
	}
	g.x.point(g, "load", p)
	return g.x.buffered(g.proc, p)
}

// Store is a point and then a plain store to the word at p: apply makes it visible, now or later.
// Until then the processor's own loads find word and bits.
func Store(p, word unsafe.Pointer, bits uint64, apply func()) {
	Point("store", p)
	store(pendingStore{p: p, word: word, bits: bits, apply: apply}, false)
}

// StorePrivate is a plain store to memory that no other goroutine can reach. It is no point, but
// does not overtake stores in the buffer.
func StorePrivate(p, word unsafe.Pointer, bits uint64, apply func()) {
	store(pendingStore{p: p, word: word, bits: bits, apply: apply}, true)
}

// Locked is the point before an instruction that drains the store buffer.
func Locked(op string, p unsafe.Pointer) {
	if g := current(); g != nil {
		g.x.point(g, op, p)
		g.x.drain(g.proc)
	}
}

// Membarrier is membarrier(2): a point, a fence of the caller's, and then a fence on each other
// processor, in any order. A processor whose buffer is empty at some moment meanwhile has had its
// fence then.
func Membarrier() {
	g := current()
	if g == nil {
		return
	}
	Locked("membarrier", nil)
	for left := g.x.storing(nil); len(left) > 0; {
		g.x.point(g, "go on with membarrier", nil)
		if left = g.x.storing(left); len(left) > 0 {
			g.x.drain(g.x.pick(left))
		}
	}
}

// Until is the point before an operation that is possible only while ready returns true. ready
// must not have points. Until may block, and so must not be called while pinned.
func Until(op string, p unsafe.Pointer, ready func() bool) {
	g := current()
	g.x.mayBlock(g, "waits to "+op)
	g.ready = ready
	Locked(op, p)
	g.ready = nil
}

// Scheduled reports whether the caller is a goroutine of an exploration.
func Scheduled() bool { return current() != nil }

// ID returns the caller's number in the program, from 1, or 0 if it is not scheduled.
func ID() int {
	if g := current(); g != nil {
		return g.id + 1
	}
	return 0
}

// Unlocks reports whether unlocking a mutex is a point: see [Options].
func Unlocks() bool {
	x := exploring.Load()
	return x != nil && x.unlocks
}

// Pin keeps other goroutines off the caller's virtual processor until Unpin, and returns the
// processor. It is a point if the program has others there.
func Pin() (proc int) {
	g := current()
	if g == nil {
		return Processor()
	}
	if g.x.pins[g.proc] == 0 && g.x.shared(g) {
		g.x.point(g, "pin", nil)
	}
	g.x.pins[g.proc]++
	return g.proc
}

// shared reports whether other goroutines have g's processor as well.
func (x *Exec) shared(g *goroutine) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.ContainsFunc(x.gs, func(o *goroutine) bool {
		return o != g && o.proc == g.proc && o.state != done
	})
}

// Unpin undoes one Pin.
func Unpin() {
	if g := current(); g != nil {
		g.x.pins[g.proc]--
	}
}

// Processor returns the caller's virtual processor; where it is not scheduled, the program's first.
func Processor() int {
	if g := current(); g != nil {
		return g.proc
	}
	if x := exploring.Load(); x != nil {
		return x.turned
	}
	return 0
}

// Drain makes the stores of the caller's processor visible. It is no point.
func Drain() {
	if g := current(); g != nil {
		g.x.drain(g.proc)
	}
}

//go:build smr_sched

package sched

import (
	"runtime"
	"unsafe"
)

// Controlled says whether this build runs goroutines under the scheduler.
const Controlled = true

// Go starts a goroutine, on the processor that new ones go to.
func Go(fn func()) {
	g := current()
	if g == nil {
		go fn()
		return
	}
	g.x.drain(g.proc) // what comes before a go statement, the new goroutine sees
	g.x.spawn("", g.x.procs-1, fn)
}

// Detached returns fn for somebody who runs it on a new goroutine: what that does
// first is to make it one of the program's. It would count as the one that started it.
func Detached(fn func()) func() {
	g := current()
	if g == nil {
		return fn
	}
	return func() {
		setLabel(nil)
		g.x.spawn("", g.x.procs-1, fn)
	}
}

// Gosched lets another goroutine do something before the caller goes on; not always,
// for on another processor that one may be slow. It must not be called while pinned.
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

// Await lets others go on until a flag of theirs is not 0.
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

// Spins returns how often to look before doing something dearer: not at all. Whoever
// looks again and again gives the others time for what is to be met in the middle.
func Spins(int) int { return 0 }

// Plain comes before an access to memory that is not atomic, where it matters that
// others may do something between it and the atomic access before.
func Plain() { Point("access memory", nil) }

// Point is a point, and nothing else.
func Point(op string, p unsafe.Pointer) {
	if g := current(); g != nil {
		g.x.point(g, op, p)
	}
}

// Wakes comes before an operation that may wake another goroutine and that is not
// of sched/sync: sending to a channel, closing one. It drains the store buffer, as
// the lock in the channel does.
func Wakes() {
	if g := current(); g != nil {
		g.x.point(g, "wake", nil)
		g.x.drain(g.proc)
		g.x.settle()
	}
}

// Load is the point before a load of the word at p. It returns what the
// processor's own store buffer has for it.
func Load(p unsafe.Pointer) (word unsafe.Pointer, bits uint64, buffered bool) {
	g := current()
	if g == nil {
		return nil, 0, false
	}
	g.x.point(g, "load", p)
	return g.x.buffered(g.proc, p)
}

// Store is the point before a plain store to the word at p: apply makes it
// visible, now or later. word and bits are what the processor's own loads find
// until then.
func Store(p, word unsafe.Pointer, bits uint64, apply func()) {
	g := current()
	if g == nil {
		apply()
		return
	}
	g.x.point(g, "store", p)
	g.x.store(g, pendingStore{p: p, word: word, bits: bits, apply: apply})
}

// StorePrivate is a plain store to memory that nobody else can reach: at no point of
// its own, but not past those that wait in the buffer.
func StorePrivate(p, word unsafe.Pointer, bits uint64, apply func()) {
	g := current()
	if g == nil || !g.x.queueBehind(g, pendingStore{p: p, word: word, bits: bits, apply: apply}) {
		apply()
	}
}

// Locked is the point before an instruction that drains the store buffer.
func Locked(op string, p unsafe.Pointer) {
	if g := current(); g != nil {
		g.x.point(g, op, p)
		g.x.drain(g.proc)
	}
}

// Membarrier is membarrier(2): the point before it, a fence of the caller's, and then
// one on each other processor, in any order. One that has nothing in its buffer at some
// moment meanwhile had its fence then.
func Membarrier() {
	g := current()
	if g == nil {
		return
	}
	g.x.point(g, "membarrier", nil)
	g.x.drain(g.proc)
	for left := g.x.storing(nil); len(left) > 0; {
		g.x.point(g, "go on with membarrier", nil)
		if left = g.x.storing(left); len(left) > 0 {
			g.x.drain(g.x.pick(left))
		}
	}
}

// Until is the point before an operation that can't be done unless ready, which
// must not have points. It may block, and so must not be called while pinned.
func Until(op string, p unsafe.Pointer, ready func() bool) {
	g := current()
	g.x.mayBlock(g, "waits to "+op)
	g.ready = ready
	g.x.point(g, op, p)
	g.ready = nil
	g.x.drain(g.proc)
}

// Scheduled reports whether the caller is a goroutine of an exploration.
func Scheduled() bool { return current() != nil }

// ID returns a number that no other goroutine of the program has, 0 for a caller that
// is none.
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

// Pin keeps other goroutines off the caller's virtual processor until Unpin. It is a
// point where there are others.
func Pin() (proc int) {
	g := current()
	if g == nil {
		return 0
	}
	if g.x.pins[g.proc] == 0 && g.x.shared(g.proc) {
		g.x.point(g, "pin", nil)
	}
	g.x.pins[g.proc]++
	return g.proc
}

// Unpin undoes one Pin.
func Unpin() {
	if g := current(); g != nil {
		g.x.pins[g.proc]--
	}
}

// Processor returns the caller's virtual processor.
func Processor() int {
	if g := current(); g != nil {
		return g.proc
	}
	return 0
}

// Drain makes what the caller's processor stored visible. It is no point.
func Drain() {
	if g := current(); g != nil {
		g.x.drain(g.proc)
	}
}

package smr

import (
	"math"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/pcpu"
)

// Expedite, passed as the size to [Call] or [Domain.CallFunc], frees the object as soon as its
// grace period ends. It counts as 0 bytes. Use it rarely: each such call hands over its processor's
// chunk and does a [Domain.Flush].
const Expedite = math.MaxInt

// Call runs free(obj) after a grace period: once every section that is open now has been left, so
// that no reader holds obj. The caller has unlinked obj, so no new reader can reach it. size is the
// number of bytes to be freed. It drives Throttle and the reclaimer. Where nothing has a size (a file
// that is closed) pass a small one; 0 says that free frees nothing.
//
// If obj is held (see [Hold]), free waits for its Release as well.
//
// free runs in a goroutine of the domain, or in one that calls [Domain.Assist], with no lock held, in no
// particular order and possibly in parallel with other callbacks. Keep it short. It may Call, but must not wait on the same domain
// ([ErrInCallback]). Pass a function rather than a closure: then Call allocates nothing.
//
// Call never blocks. It is allowed inside a section, pinned or not, and in a callback. It panics if
// obj or free is nil, if size is negative or above 2^47 (or above what the platform can address),
// and on a closed domain. A size of 128 MiB or more costs an allocation.
//
// Under -tags invariants Call also panics for an object that was given away before: to a Call that is
// pending, if both have a size (or Expedite), or to its pool, by Retire or Free. A callback that frees
// nothing, but counts or gives up a reference, may be called with one object as often as needed, with
// size 0.
//
// Cost: a pinned append, about 10 ns, and as much again to run free. Idea: smr_call of XNU;
// call_rcu of Linux, without the node in the object.
func Call[T any](d *Domain, obj *T, size int, free func(*T)) {
	if !TryCall(d, obj, size, free) {
		d.panicClosed("Call")
	}
}

// TryCall is [Call], except that on a closed domain it returns false and the caller keeps obj. Use
// it in code that may run concurrently with [Domain.Close]. Sections may be open while Close waits, so
// do not free obj at once, but after a Close that has returned nil: no reader is left then.
func TryCall[T any](d *Domain, obj *T, size int, free func(*T)) bool {
	if obj == nil {
		panic("smr: Call with a nil object")
	}
	if free == nil {
		panic("smr: Call with a nil function")
	}
	if debugging {
		return d.callOnce(*(*func(unsafe.Pointer))(unsafe.Pointer(&free)), obj, size)
	}
	// Few enough words to be inlined into Call.
	return d.call(*(*func(unsafe.Pointer))(unsafe.Pointer(&free)), unsafe.Pointer(obj), size)
}

// CallFunc is [Call] for a function without an object, which waits for no [Hold]. It panics if fn is
// nil.
func (d *Domain) CallFunc(size int, fn func()) {
	if fn == nil {
		panic("smr: CallFunc with a nil function")
	}
	if !d.call(runFunc, *(*unsafe.Pointer)(unsafe.Pointer(&fn)), size) {
		d.panicClosed("Call")
	}
}

// runFunc calls obj, which is a func(): a func value is one pointer.
func runFunc(obj unsafe.Pointer) { (*(*func())(unsafe.Pointer(&obj)))() }

// call makes a deferred call, or reports false if the domain is closed and refuses it. This is the
// fast path: it appends to the processor's open chunk.
func (d *Domain) call(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	if uint(size) >= largeSize { // large, Expedite, negative, or too large
		return d.callSlow(fn, obj, size)
	}
	sl := d.calls.At(pcpu.Pin())
	if sl == nil || !sl.TryLock(d.fence) {
		pcpu.Unpin()
		return d.callSlow(fn, obj, size)
	}
	c := sl.Value.Load()
	if c == nil || c.n >= len(c.entries) {
		sl.Unlock()
		pcpu.Unpin()
		return d.callSlow(fn, obj, size)
	}
	if int64(size) != c.each {
		c.noteSize(size)
	}
	d.append(sl, c, fn, obj, size)
	if !c.full(d) {
		sl.Unlock()
		pcpu.Unpin()
		return true
	}
	d.handOverOpen(sl, c)
	sl.Unlock()
	pcpu.Unpin()
	d.reclaim.notify(d)
	return true
}

// append adds an entry to c, the open chunk of the locked slot. c has room, and knows the size. It
// must be cheap enough to be inlined.
func (d *Domain) append(sl *callSlot, c *chunk, fn func(unsafe.Pointer), obj unsafe.Pointer, size int) {
	sched.Plain()
	e := &c.entries[c.n]
	e.fn, e.obj = fn, obj
	c.n++
	c.bytes += int64(size)
	sl.called.Store(sl.called.Load() + 1)
	sl.calledBytes.Store(sl.calledBytes.Load() + uint64(size))
}

// The sum of all pending sizes can overflow 63 bits, so it is kept in two parts: bytes
// (size%largeSize) and units (size/largeSize). Each pending call takes at least 16 bytes of memory,
// so there are fewer than 2^36: the bytes stay below 2^63, and the units, at most 2^20 for each
// call, below 2^56.
const (
	largeSize = 1 << 27
	maxSize   = min(1<<47, math.MaxInt-1)
)

// callSlow handles a special size, and a slot that is locked or has no room. It appends to an open
// chunk if it can, else makes a chunk for this call alone. A large size always gets its own, so
// that the bytes of a shared chunk stay small.
func (d *Domain) callSlow(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	expedite := size == Expedite
	switch {
	case expedite:
		size = 0
	case size < 0:
		panic("smr: Call with a negative size")
	case size > maxSize:
		panic("smr: Call with a size beyond what can be addressed")
	}
	appended := size < largeSize && d.appendSlow(fn, obj, size, expedite)
	if !appended && !d.callUnslotted(fn, obj, size) {
		return false
	}
	if expedite {
		d.Flush()
	} else {
		d.reclaim.notify(d)
	}
	return true
}

// appendSlow appends to a slot's chunk, creating the slot and the chunk as needed, and hands the
// chunk over if it is full or expedite is set. It reports false if it can lock no slot, or if the
// domain is closed.
func (d *Domain) appendSlow(fn func(unsafe.Pointer), obj unsafe.Pointer, size int, expedite bool) bool {
	sl := d.lockSlot(pcpu.Pin())
	if sl == nil {
		pcpu.Unpin()
		return false
	}
	c := sl.Value.Load()
	if c == nil {
		c = sl.install(d)
	}
	open := c != closedChunk
	if open {
		if int64(size) != c.each {
			c.noteSize(size)
		}
		d.append(sl, c, fn, obj, size)
		if expedite || c.full(d) {
			d.handOverOpen(sl, c)
		}
	}
	sl.Unlock()
	pcpu.Unpin()
	return open
}

// lockSlot locks the slot of processor id, on which the caller is pinned, creating it as needed.
// Where pinning is not exclusive it tries the other slots, too. It returns nil if all are locked,
// and on a closed domain.
func (d *Domain) lockSlot(id int) *callSlot {
	sl := d.calls.Grow(id)
	if sl == nil || sl.TryLock(d.fence) {
		return sl
	}
	if !pcpu.Exclusive {
		for i := range d.calls.All() {
			if sl := d.calls.At(id + 1 + i); sl != nil && sl.TryLock(d.fence) {
				return sl
			}
		}
	}
	return nil
}

// callUnslotted makes a call without a slot, in a chunk for it alone. A closed domain refuses it
// unless it comes from one of its callbacks: chains of callbacks run to their end.
func (d *Domain) callUnslotted(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	c := &chunk{entries: []entry{{fn, obj}}, n: 1, bytes: int64(size % largeSize), large: int64(size / largeSize)}
	// Count, then check for Seal. Close seals, then reads the counts. So Close waits for every call
	// accepted here.
	r := &d.reclaim
	r.large.Add(c.large)
	r.calledBytes.Add(uint64(c.bytes))
	r.called.Add(1)
	if d.calls.Sealed() && !d.inCallback() {
		r.large.Add(-c.large)
		r.calledBytes.Add(-uint64(c.bytes))
		r.called.Add(^uint64(0))
		return false
	}
	d.handOver(c, d.clk.DeferredAdvance())
	return true
}

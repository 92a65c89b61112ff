package smr

import (
	"math"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// Expedite, given as a size to [Call] or [Domain.CallFunc], asks for the object
// to be freed as soon as its grace period can end. It counts as 0 bytes pending,
// and takes a chunk of its processor's and a [Domain.Flush]: for the rare call.
const Expedite = math.MaxInt

// Call calls free(obj) once every section that was open at the time of Call has
// been left, so that no reader can hold obj any more. The caller has unlinked
// obj: no new reader can reach it. size is how many bytes wait to be freed; it
// drives Throttle and the reclaimer, and may be 0.
//
// free should be a function, not a closure made for this call: then nothing is
// allocated. It runs in a goroutine of the domain, with no lock held, in no
// particular order and possibly beside other callbacks. It should be short. It
// may Call; it must not wait on the same domain ([ErrInCallback]).
//
// Call never blocks. It may be called inside a section, pinned or not, and in a
// callback. It panics if obj or free is nil, if size is negative, and on a
// closed domain. A size above 2^47, or what the platform can address, panics too;
// one of 128 MiB or more costs an allocation.
//
// Cost: a pinned append, about 10 ns, and as much again for running free. Idea:
// smr_call of XNU; call_rcu of Linux, without the node in the object.
func Call[T any](d *Domain, obj *T, size int, free func(*T)) {
	if !TryCall(d, obj, size, free) {
		d.panicClosed("Call")
	}
}

// TryCall is [Call], but on a closed domain it does nothing and reports false, where Call
// panics: for whoever may run beside [Domain.Close], and keeps what it could not give away.
func TryCall[T any](d *Domain, obj *T, size int, free func(*T)) bool {
	if obj == nil {
		panic("smr: Call with a nil object")
	}
	if free == nil {
		panic("smr: Call with a nil function")
	}
	return d.call(*(*func(unsafe.Pointer))(unsafe.Pointer(&free)), unsafe.Pointer(obj), size)
}

// CallFunc is [Call] for a function without an object. A closure made for this
// call costs its allocation. It panics if fn is nil.
func (d *Domain) CallFunc(size int, fn func()) {
	if fn == nil {
		panic("smr: CallFunc with a nil function")
	}
	if !d.call(runFunc, *(*unsafe.Pointer)(unsafe.Pointer(&fn)), size) {
		d.panicClosed("Call")
	}
}

// runFunc calls the func() that obj is: a func value is one pointer.
func runFunc(obj unsafe.Pointer) { (*(*func())(unsafe.Pointer(&obj)))() }

// call makes a deferred call, and reports whether it was accepted: it is not on a closed
// domain. This is the fast path, which finds room in the processor's open chunk.
func (d *Domain) call(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	if uint(size) >= largeSize { // large, Expedite, negative, or absurd
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

// append adds an entry to the open chunk of the locked slot, which has room.
func (d *Domain) append(sl *callSlot, c *chunk, fn func(unsafe.Pointer), obj unsafe.Pointer, size int) {
	sched.Plain()
	e := &c.entries[c.n]
	e.fn, e.obj = fn, obj
	c.n++
	c.bytes += int64(size)
	sl.called.Store(sl.called.Load() + 1)
	sl.calledBytes.Store(sl.calledBytes.Load() + uint64(size))
}

// The sum of the sizes that are pending may be more than 63 bits hold. Each pending call
// takes 16 bytes at the least, so there are fewer than 2^36 of them, and if each counts
// less than largeSize the sum stays below 2^63. What a size has beyond that is counted in
// units of largeSize: fewer than 2^21 for a call, so less than 2^57 in all.
const (
	largeSize = 1 << 27
	maxSize   = min(1<<47, math.MaxInt-1)
)

// callSlow is call for every case but the common one. A call goes to an open chunk if it
// can, else it gets a chunk of its own: so does one of a large size, so that no chunk's sum
// is large.
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

// appendSlow makes room in a slot, appends to its chunk, and hands that over if it is full
// or expedite is set. It reports false if it got no slot, or the domain is closed.
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
		d.append(sl, c, fn, obj, size)
		if expedite || c.full(d) {
			d.handOverOpen(sl, c)
		}
	}
	sl.Unlock()
	pcpu.Unpin()
	return open
}

// lockSlot locks the slot of the pinned processor id, which it makes if need be. Where that
// is not exclusive and the slot is taken, any other slot will do. It returns nil if all are
// taken, and on a closed domain.
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

// unslotted counts the calls that went by no slot. Written by atomic add.
type unslotted struct{ called, calledBytes satomic.Uint64 }

// callUnslotted makes a call without a slot, by a chunk of its own. A closed domain refuses
// it, except from its own callbacks, so that chains of callbacks come to their end.
func (d *Domain) callUnslotted(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	c := &chunk{entries: []entry{{fn, obj}}, n: 1, bytes: int64(size % largeSize), large: int64(size / largeSize)}
	// Close seals the slots and then reads the counts; this counts and then looks whether
	// they are sealed. So Close waits for a call that is accepted.
	r := &d.reclaim
	r.large.Add(c.large)
	r.unslotted.calledBytes.Add(uint64(c.bytes))
	r.unslotted.called.Add(1)
	if d.calls.Sealed() && !d.inCallback() {
		r.large.Add(-c.large)
		r.unslotted.calledBytes.Add(-uint64(c.bytes))
		r.unslotted.called.Add(^uint64(0))
		return false
	}
	d.handOver(c, d.clk.DeferredAdvance())
	return true
}

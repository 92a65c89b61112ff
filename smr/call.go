package smr

import (
	"math"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
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
	if obj == nil {
		panic("smr: Call with a nil object")
	}
	if free == nil {
		panic("smr: Call with a nil function")
	}
	if !d.call(*(*func(unsafe.Pointer))(unsafe.Pointer(&free)), unsafe.Pointer(obj), size) {
		d.panicClosed("Call")
	}
}

// TryCall is [Call], but on a closed domain it does nothing and reports false, where Call
// panics: for whoever may run beside [Domain.Close], and keeps what it could not give away.
func TryCall[T any](d *Domain, obj *T, size int, free func(*T)) bool {
	if obj == nil {
		panic("smr: TryCall with a nil object")
	}
	if free == nil {
		panic("smr: TryCall with a nil function")
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

// call reports whether the call was accepted: it is not on a closed domain.
func (d *Domain) call(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	if uint(size) >= largeSize { // large, Expedite, negative, or absurd
		return d.callSpecialSize(fn, obj, size)
	}
	id := pcpu.Pin()
	sl := d.calls.At(id)
	if sl == nil || !sl.TryLock(d.fence) {
		return d.callSlow(id, fn, obj, size, false)
	}
	c := sl.Value.Load()
	if c == nil || c.n >= len(c.entries) {
		sl.Unlock()
		return d.callSlow(id, fn, obj, size, false)
	}
	d.append(sl, c, fn, obj, size)
	if !c.full(d) {
		sl.Unlock()
		pcpu.Unpin()
		return true
	}
	d.seal(sl, c)
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

// callSpecialSize is call with a size out of the ordinary. A large one gets a chunk of
// its own, so that no chunk's sum is large.
func (d *Domain) callSpecialSize(fn func(unsafe.Pointer), obj unsafe.Pointer, size int) bool {
	switch {
	case size == Expedite:
		return d.callSlow(pcpu.Pin(), fn, obj, 0, true)
	case size < 0:
		panic("smr: Call with a negative size")
	case size > maxSize:
		panic("smr: Call with a size beyond what can be addressed")
	}
	return d.callAlone(fn, obj, size, false)
}

// callSlow is call when the processor has no slot, or the slot no chunk, or
// (where the processor is not exclusive) the slot is taken; or to expedite. It
// is called pinned, and unpins.
func (d *Domain) callSlow(id int, fn func(unsafe.Pointer), obj unsafe.Pointer, size int, expedite bool) bool {
	sl := d.lockSlot(id)
	var c *chunk
	if sl != nil {
		if c = sl.Value.Load(); c == nil {
			c = sl.install(d)
		}
		if c == nil || c == closedChunk {
			sl.Unlock()
			c = nil
		}
	}
	if c == nil {
		pcpu.Unpin()
		return d.callAlone(fn, obj, size, expedite)
	}
	d.append(sl, c, fn, obj, size)
	if expedite || c.full(d) {
		d.seal(sl, c)
	}
	sl.Unlock()
	pcpu.Unpin()
	d.afterCall(expedite)
	return true
}

// afterCall tells the reclaimer of a call that it may have to know of.
func (d *Domain) afterCall(expedite bool) {
	if expedite {
		d.Flush()
	} else {
		d.reclaim.notify(d)
	}
}

// lockSlot locks the slot of id or, where that is taken, another. It returns nil
// when all are, and on a closed domain.
func (d *Domain) lockSlot(id int) *callSlot {
	sl := d.calls.At(id)
	if sl == nil {
		if sl = d.calls.Grow(id); sl == nil {
			return nil
		}
	}
	if sl.TryLock(d.fence) {
		return sl
	}
	return d.lockAny(id)
}

// lockAny locks a slot other than id's, or returns nil when all are taken.
func (d *Domain) lockAny(id int) *callSlot {
	for i := range d.calls.All() {
		if sl := d.calls.At(id + 1 + i); sl != nil && sl.TryLock(d.fence) {
			return sl
		}
	}
	return nil
}

// alone counts the calls that went by no slot. Written by atomic add.
type alone struct{ called, calledBytes atomic.Uint64 }

// callAlone is call without a slot: the call gets a sealed chunk of its own. On a
// closed domain, where there is no slot to append to, only a callback's call is taken,
// so that chains of callbacks come to their end; any other is refused.
func (d *Domain) callAlone(fn func(unsafe.Pointer), obj unsafe.Pointer, size int, expedite bool) bool {
	c := &chunk{entries: []entry{{fn, obj}}, n: 1, bytes: int64(size % largeSize), large: int64(size / largeSize)}
	// Counted first, and then a look whether the domain is sealed; Close seals it
	// and then looks at the count. So Close waits for a call that is accepted.
	r := &d.reclaim
	r.large.Add(c.large)
	r.alone.calledBytes.Add(uint64(c.bytes))
	r.alone.called.Add(1)
	if d.calls.Sealed() && !d.inCallback() {
		r.large.Add(-c.large)
		r.alone.calledBytes.Add(-uint64(c.bytes))
		r.alone.called.Add(^uint64(0))
		return false
	}
	d.handOver(c, d.clk.DeferredAdvance())
	d.afterCall(expedite)
	return true
}

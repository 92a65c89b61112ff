package smr

import (
	"unsafe"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/pcpu"
)

// A Held keeps one object: its callback (see [Call]), or its reuse by a pool, waits until the object is
// released, however long that takes, and everything else is freed on time. It is a small value, and all copies are the
// same hold. The zero Held holds nothing.
type Held[T any] struct {
	//lint:ignore U1000 it has fields under -tags invariants
	holdDebug
	obj  *T
	slot *holdSlot
	gen  uint64 // the slot's idle word when it was taken
}

// Hold keeps p after its section: for a slow connection, an iterator, a snapshot. A section that
// stays open holds back all memory retired since; a hold keeps one object.
//
//	s := dom.Enter()
//	v := current.Load(s)
//	h := smr.Hold(s, v) // v stays, the section need not
//	s.Leave()
//	...                 // seconds, input and output, another goroutine
//	h.Release()
//
// p must be what the writer will give, or has given, to [Call] or [TryCall] on the section's domain, or
// to Retire of a pool of package slab (a block, by its first byte), as that very pointer, and s must
// protect it: load p in s. What p refers to stays only if p's callback frees it. Where versions share
// parts, as in a copy-on-write tree, what a later version's callback frees goes though an older version
// is held: count the versions of each part, or free in the order of versions. To hold once more
// what is only held, and not loaded in an open section, use [Held.Clone].
//
// Nothing else is kept, though it compiles: not what a pool is given by Free; not what a map of package
// smrmap lends (it has a Hold of its own), unless that is a pointer to an object as above; not an object
// whose freeing is a closure given to [Domain.CallFunc], or comes after [Domain.Synchronize]. To
// hold an object for a part of it, use [HoldPart].
//
// Of several Calls of one object each waits for every hold that is open when its grace period ends.
// Where readers still find the object after one of them (a note, with size 0), later holds that overlap
// delay that one too, without end; where they do not, as for the one that frees it, they can't.
//
// The callbacks of p, and [Domain.Barrier], [Domain.Close] and [Domain.Throttle] with them, wait for
// Release. Synchronize, Wait and Poll do not. For an object that was retired, Close of its pool and
// Domain.Close wait, and Barrier may or may not.
//
// Hold panics if p is nil and if s is not open. A hold may outlast any number of sections, also
// those of the domain's registered readers. For a [Quiescent], call Hold before the quiescent state.
//
// Cost: with Release about that of a section and an atomic instruction. It allocates where more is
// held, by Holds on one processor, than ever before there; that memory is kept until the domain is
// closed and unreachable. While much is held, reclamation costs more: for each grace period a walk
// over all slots, as many as were ever held at once, and another for the Releases, taken together,
// of objects whose calls wait.
func Hold[T any](s Section, p *T) Held[T] {
	if p == nil {
		panic("smr: Hold of nil")
	}
	slot, gen := s.hold(uintptr(unsafe.Pointer(p)))
	return Held[T]{holdDebug: slot.opened(unsafe.Pointer(p), gen), obj: p, slot: slot, gen: gen}
}

// HoldPart is [Hold] of whole, for the sake of a part of it, which Get returns: a field, or what whole
// owns. It panics if either is nil.
func HoldPart[W, T any](s Section, whole *W, part *T) Held[T] {
	if whole == nil || part == nil {
		panic("smr: HoldPart of nil")
	}
	slot, gen := s.hold(uintptr(unsafe.Pointer(whole)))
	return Held[T]{holdDebug: slot.opened(unsafe.Pointer(whole), gen), obj: part, slot: slot, gen: gen}
}

// Release ends the hold. If the object was retired meanwhile and nothing else holds it, its callback
// runs soon. Any goroutine may call it, in a section or not; it never blocks. Release panics if it is
// one too many for the hold and its clones together, or the hold is zero. Each clone needs a Release
// of its own. To release one of them twice is a mistake that takes the reference of another, whose
// object may be freed while it is in use; only -tags invariants tell which one it was.
func (h Held[T]) Release() {
	h.check("Release")
	h.releasing()
	h.slot.release(h.gen)
}

// Clone holds the object once more, also where no section is open. h must not be released, nor be
// released meanwhile. Clone panics if h and all its clones were released; while one of them is not,
// the clone is as good as any, and only the count tells them apart. Cost: an atomic instruction.
func (h Held[T]) Clone() Held[T] {
	h.check("Clone")
	h.slot.clone(h.gen)
	return Held[T]{holdDebug: h.slot.cloned(h.holdDebug, h.gen), obj: h.obj, slot: h.slot, gen: h.gen}
}

// Get returns the object. It panics if the hold was released, or is zero. Do not follow the pointer
// after Release.
func (h Held[T]) Get() *T {
	if !h.Active() {
		h.check("Get")
		panicReleased("Get")
	}
	return h.obj
}

// Active reports whether the object is held: the hold is not zero, and it or a clone of it was not
// released.
func (h Held[T]) Active() bool { return h.slot != nil && h.slot.holds(h.gen) }

// check panics if the hold is zero.
func (h Held[T]) check(what string) {
	if h.slot == nil {
		panic("smr: " + what + " of a zero Held: it holds nothing")
	}
}

//go:noinline
func panicReleased(what string) {
	panic("smr: " + what + " of a Held that was released before")
}

// hold takes a slot for the object at addr.
func (s Section) hold(addr uintptr) (slot *holdSlot, gen uint64) {
	if !s.Active() {
		s.panicHold()
	}
	d := domainOf(s.in.Rec.Clock())
	id := pcpu.Pin()
	if g := d.holds.At(id); g != nil {
		slot = g.cur.Load()
		if gen, ok := slot.take(addr); ok {
			pcpu.Unpin()
			return slot, gen
		}
	}
	slot, gen = d.holdSlow(id, addr)
	pcpu.Unpin()
	return slot, gen
}

//go:noinline
func (s Section) panicHold() {
	if s.in.Rec == nil {
		panic("smr: Hold outside a section: the Section is zero. Load the object in a section, and hold it before Leave")
	}
	panic("smr: Hold in a section that has been left: the object may be freed by now. Hold it before Leave")
}

// domainOf returns the domain that a section's clock is part of.
func domainOf(c *clock.Clock) *Domain {
	return (*Domain)(unsafe.Add(unsafe.Pointer(c), -int(unsafe.Offsetof(Domain{}.clk))))
}

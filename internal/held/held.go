// Package held declares what packages slab and smrmap need of a domain's holds (see smr.Hold) beyond
// the API of package smr, which implements it.
package held

import (
	"context"
	"unsafe"
)

// Of returns the methods below for an *smr.Domain. Set while package smr is initialized.
var Of func(domain any) Domain

// A Domain is an *smr.Domain.
type Domain interface {
	// Held returns what is held of the objects that wait for goal, an smr.Seq that the caller has found
	// reached before; nil if nothing is. It may return more: what else is held, and what was so until
	// a moment ago: on a domain that is not closed what was found for the first goal of a grace period
	// is not looked for again. So what asks again, to learn of a Release, asks Now.
	//
	// Cost: a load where nothing was ever held; else, for the first goal of a grace period, a walk over
	// all holds.
	Held(goal uint64) *Set

	// Slots returns how many holds a walk visits, the idle ones among them.
	Slots() int

	// Now returns what is held; nil if nothing is.
	Now() *Set

	// Call is smr.TryCall with none of its checks: for an object that its owner has back, as far as
	// its user knows.
	Call(obj unsafe.Pointer, size int, free func(unsafe.Pointer)) bool

	// Barrier is that of the domain, except that it does not wait for holds, nor for calls that they
	// held up.
	Barrier(ctx context.Context) error
}

// A Set is the addresses that are held at a moment, none of them 0: a table with linear probing, at
// most half full. It does not change. A nil Set is empty.
type Set struct {
	table []uintptr
	shift uint
	n     int
}

// NewSet returns a set of addresses, of which some may be equal; nil if there are none.
func NewSet(addrs []uintptr) *Set {
	if len(addrs) == 0 {
		return nil
	}
	s := &Set{shift: 62, n: len(addrs)}
	for 1<<(64-s.shift) < 2*len(addrs) {
		s.shift--
	}
	s.table = make([]uintptr, 1<<(64-s.shift))
	for _, a := range addrs {
		s.table[s.find(a)] = a
	}
	return s
}

// find returns the place of addr, or where it belongs.
func (s *Set) find(addr uintptr) int {
	// Knuth's multiplicative hashing: see pcpu.Pin.
	i := int(uint64(addr) * 0x9e3779b97f4a7c15 >> s.shift)
	for s.table[i] != addr && s.table[i] != 0 {
		i = (i + 1) & (len(s.table) - 1)
	}
	return i
}

// Has reports whether the set has addr.
func (s *Set) Has(addr uintptr) bool { return s != nil && s.table[s.find(addr)] == addr }

// Len returns how many addresses the set was made of.
func (s *Set) Len() int {
	if s == nil {
		return 0
	}
	return s.n
}

// All is an iterator over the addresses.
func (s *Set) All(yield func(uintptr) bool) {
	if s == nil {
		return
	}
	for _, a := range s.table {
		if a != 0 && !yield(a) {
			return
		}
	}
}

// Package owned is the handshake between a processor that uses a value without a lock and
// goroutines that take the value away. The value is the open chunk of a processor's deferred calls
// (package smr), or a processor's magazines of objects (package slab).
//
// # Algorithm
//
//	owner                               revoker (Revoke)
//	TryLock:  busy = 1                  v = Value.Swap(leave)   for all slots
//	          light fence               heavy fence
//	v = Value.Load()                    wait until busy == 0    for all slots
//	writes to *v                        v is the revoker's
//	Unlock:   busy = 0
//
// The owner is the goroutine pinned on the slot's processor, and alone writes busy. Where pinning
// is not exclusive ([pcpu.Exclusive] is false) several goroutines may contend, and one takes busy
// by compare-and-swap.
//
// The owner changes Value by compare-and-swap, a revoker by swap. So if both take the same value,
// exactly one gets it.
//
// # Why the fences
//
// Owner and revoker each store one word and then load the other's. If a load could pass the store
// before it, the owner would find the value, and the revoker no owner:
//
//	owner                             revoker
//	busy = 1, in the store buffer
//	v = Value.Load()
//	                                  v = Value.Swap(nil)
//	                                  busy is 0: done
//	writes to *v                      reads *v
//
// The two fences are the halves of one [asym.Fence]. With them, either the owner's load comes after
// the swap and finds what the revoker left, or the owner's store comes before the revoker's load,
// and the revoker waits for Unlock. Unlock is a release store: it shows the revoker all that the
// owner wrote.
//
// Revoke's order matters, too. With the fence before the swap, an owner that locks between the two
// finds the value, and its busy may still be in its store buffer when the revoker loads it. With
// the wait before the swap, the revoker does not wait for an owner that locks between the two.
//
// The model is model/calls.pml. The idea is liburcu's asymmetric fence, applied to a per-CPU queue.
package owned

import (
	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A Slot holds the value of one processor, or nil. Embed it in a struct with the processor's other
// data: the lock covers that data as well, and no revoker touches it. The zero Slot is empty. Do
// not copy a Slot.
type Slot[T any] struct {
	// busy is 1 from TryLock to Unlock. The owner writes it, by release stores; where pinning is
	// not exclusive TryLock takes it by compare-and-swap. Revokers read it (acquire).
	busy relacq.Uint64

	// Value is nil if there is none. The owner may load it, install one by CompareAndSwap(nil, v),
	// and remove it by CompareAndSwap(v, nil). Both fail if a revoker came first. The owner may use
	// what it loaded until Unlock, revoked or not. To other goroutines a Load is a hint. Revokers
	// swap it; nothing stores it.
	//
	// It is a field because a method would keep callers' hot paths from being inlined.
	Value satomic.Pointer[T]
}

// TryLock makes the calling goroutine the owner, and reports whether it did. It fails if the slot
// is locked: by an outer use in the same goroutine or, where pinning is not exclusive, by another
// goroutine. The caller must be pinned on the slot's processor ([pcpu.Pin]) from before TryLock
// until after Unlock, and must not block in between. Owners and revokers of a slot must pass the
// same fence.
func (s *Slot[T]) TryLock(fence asym.Fence) bool {
	if s.busy.Load() != 0 {
		return false
	}
	if !pcpu.Exclusive {
		return s.busy.CompareAndSwap(0, 1)
	}
	s.busy.Store(1)
	fence.Light() // pairs with Revoke's
	return true
}

// Unlock ends what TryLock began.
func (s *Slot[T]) Unlock() { s.busy.Store(0) }

// slot lets Revoke find the Slot in the struct that embeds it.
func (s *Slot[T]) slot() *Slot[T] { return s }

// Revoke takes the values of all slots, puts leave in their place, and returns what it took. leave
// is nil, or a value that tells owners that the slot is closed. When Revoke returns, no owner uses
// what it took, and all that owners did before is visible to the caller. It waits for the owner of
// every slot, even an empty one: that owner may have just removed its value.
//
// Two concurrent Revokes share the values between them. An owner must not call Revoke: it would
// wait for itself. all is a slice of pointers to structs that embed a Slot.
func Revoke[T any, S interface{ slot() *Slot[T] }](fence asym.Fence, all []S, leave *T) (taken []*T) {
	for _, s := range all {
		sl := s.slot()
		if sl.Value.Load() == leave {
			continue
		}
		if v := sl.Value.Swap(leave); v != nil && v != leave { // it may have changed
			taken = append(taken, v)
		}
	}
	fence.Heavy() // pairs with TryLock's
	for _, s := range all {
		s.slot().awaitUnlocked()
	}
	return taken
}

// awaitUnlocked waits until it sees the slot unlocked. The owner is running, unless the system took
// its thread's processor away or, where pinning is not exclusive, it was preempted. Do not sleep
// here: in a testing/synctest bubble time stands still while a goroutine waits for a mutex that the
// caller holds.
func (s *Slot[T]) awaitUnlocked() {
	for range sched.Spins(100) {
		if s.busy.Load() == 0 {
			return
		}
	}
	for s.busy.Load() != 0 {
		sched.Gosched()
	}
}

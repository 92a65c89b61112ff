// Package owned is a value that one processor uses without a lock, and that any goroutine
// can take away: the open chunk of a processor's deferred calls (package smr), and a
// processor's magazines of free objects (package slab).
//
// # Who writes what
//
//	owner                               revoker (Revoke)
//	TryLock:  busy = 1                  v = Value.Swap(leave)   for all slots
//	          light fence               heavy fence
//	v = Value.Load()                    wait until busy == 0    for all slots
//	writes to *v                        v is the revoker's
//	Unlock:   busy = 0
//
// The owner is the goroutine that is pinned on the slot's processor. It stores busy plainly:
// nobody else does. Where pinning is not exclusive ([pcpu.Exclusive] is false) several
// goroutines may want to be the owner, and one gets busy by compare-and-swap.
//
// The owner changes Value by compare-and-swap, a revoker by swap. So of an owner that
// removes the value and a revoker that takes it, one gets it.
//
// # Why the fences
//
// Owner and revoker each store one word and load the other's. Were both loads to pass the
// stores before them, the owner would find the value that the revoker has just taken, and
// the revoker would find no owner:
//
//	owner                            revoker
//	busy = 1 (in its store buffer)
//	                                 v = Value.Swap(nil)
//	                                 busy is 0: done
//	writes to *v                     reads *v
//
// (The owner loaded Value before the swap.) The two fences are the halves of one
// [asym.Fence], light in TryLock and heavy in Revoke. With both, one of the two holds: the
// owner's load of Value comes after the swap, and finds what the revoker left there; or its
// store of busy comes before the revoker's load, which waits for Unlock. Unlock's release
// store then shows the revoker all that the owner wrote.
//
// The order within Revoke matters as much. An owner that locks after the fence must find the
// value gone: swap before fence. One that found it must be waited for: wait after fence.
//
// The model is model/calls.pml. The idea is liburcu's asymmetric fence, put to a per-CPU
// queue.
package owned

import (
	"time"

	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A Slot holds the value of one processor, or nil. Embed it in what else belongs to the
// processor: the lock covers that as well, as long as revokers leave it alone. The zero Slot
// is empty. It must not be copied.
type Slot[T any] struct {
	// busy is 1 from TryLock to Unlock. Written by the owner, by a release store where
	// pcpu.Exclusive, else taken by compare-and-swap; read by revokers (acquire).
	busy relacq.Uint64

	// Value is the value, nil if there is none. The owner may load it, install one with
	// CompareAndSwap(nil, v), and remove it with CompareAndSwap(v, nil); both fail if it was
	// revoked meanwhile. It may use what it loaded until Unlock, revoked or not. To anybody
	// else a Load is a hint. Nobody stores to it.
	Value satomic.Pointer[T]
}

// TryLock makes the calling goroutine the owner, and reports whether it did. The goroutine
// is pinned on the slot's processor ([pcpu.Pin]) from before TryLock until after Unlock, and
// must not block in between.
//
// It fails if the slot is locked: by the goroutine itself, which uses it within another use,
// or where pinning is not exclusive by another goroutine. All who use one slot pass the same
// fence.
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

// slot lets Revoke find the Slot that is embedded in something.
func (s *Slot[T]) slot() *Slot[T] { return s }

// Revoke takes the values of all slots, puts leave (nil, or a value that tells owners not to
// go on) in their place, and returns what it took. When it returns, no owner uses any of
// that, and what each owner did before is visible to the caller. It waits for every owner,
// also for one whose slot was empty: that one may have just removed its value.
//
// Two Revokes may run at once; then each returns some of the values. It must not be called by
// an owner, for which it would wait. all is a slice of pointers to structs that embed a Slot.
func Revoke[T any, S interface{ slot() *Slot[T] }](fence asym.Fence, all []S, leave *T) (taken []*T) {
	for _, s := range all {
		sl := s.slot()
		if sl.Value.Load() == leave {
			continue
		}
		if v := sl.Value.Swap(leave); v != nil && v != leave {
			taken = append(taken, v)
		}
	}
	fence.Heavy() // pairs with TryLock's
	for _, s := range all {
		s.slot().awaitUnlocked()
	}
	return taken
}

// awaitUnlocked waits until the slot has been unlocked once. Its owner is on a processor or,
// where pinning is not exclusive, may have been preempted.
func (s *Slot[T]) awaitUnlocked() {
	for i := 0; s.busy.Load() != 0; i++ {
		switch {
		case i < sched.Spins(100):
		case i < 120:
			sched.Gosched()
		default:
			time.Sleep(20 * time.Microsecond)
		}
	}
}

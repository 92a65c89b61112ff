package slab

import (
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// An event is what a Close waits for that has found retired objects held: some became free, or came
// back to it. The zero event is ready for use.
//
//	Close                        what frees objects
//	await: store next            change the count of what is pending
//	load the count               tell: load next
//
// Each is a store and then a load of what the other stores, both in the one order of sync/atomic (or
// under the count's lock). So Close sees the change, or is told of it.
type event struct {
	// next is closed when the event comes; nil: nothing waits. Stored by await, taken by tell.
	next satomic.Pointer[chan struct{}]
}

// await returns a channel that the next tell closes.
func (e *event) await() <-chan struct{} {
	for {
		if next := e.next.Load(); next != nil {
			return *next
		}
		next := make(chan struct{})
		if e.next.CompareAndSwap(nil, &next) {
			return next
		}
	}
}

// tell wakes what waits. It does not block. Cost: a load while nothing waits.
func (e *event) tell() {
	if e.next.Load() == nil {
		return
	}
	if next := e.next.Swap(nil); next != nil {
		sched.Wakes()
		close(*next)
	}
}

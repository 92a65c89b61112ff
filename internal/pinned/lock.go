// Package pinned has a lock for those who must not block.
package pinned

import (
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/pcpu"
)

// A Lock may be taken in a pinned section, where a mutex would block: it spins, and its
// holder keeps its processor. It is for a few instructions at a time. The zero Lock is open.
type Lock struct{ held atomic.Bool }

// Lock takes the lock.
func (l *Lock) Lock() {
	pcpu.Pin()
	for !l.held.CompareAndSwap(false, true) {
		if !pcpu.Exclusive {
			runtime.Gosched() // the holder may have been preempted
		}
	}
}

// Unlock gives it up.
func (l *Lock) Unlock() {
	l.held.Store(false)
	pcpu.Unpin()
}

// Package pinned has a lock for code that must not block.
package pinned

import (
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/pcpu"
)

// A Lock may be taken in a pinned section, where a mutex could block: it spins, and pins its holder
// to its processor. Hold it for a few instructions only. The zero Lock is unlocked.
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

// TryLock takes the lock if it is free.
func (l *Lock) TryLock() bool {
	pcpu.Pin()
	if l.held.CompareAndSwap(false, true) {
		return true
	}
	pcpu.Unpin()
	return false
}

// Unlock releases the lock.
func (l *Lock) Unlock() {
	l.held.Store(false)
	pcpu.Unpin()
}

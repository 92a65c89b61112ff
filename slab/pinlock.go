package slab

import (
	"runtime"

	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A pinnedLock may be taken in a pinned section, where a mutex would block: it spins, and
// its holder keeps its processor. It is for a few instructions at a time.
type pinnedLock struct{ held atomic.Bool }

func (l *pinnedLock) Lock() {
	pcpu.Pin()
	for !l.held.CompareAndSwap(false, true) {
		if !pcpu.Exclusive {
			runtime.Gosched() // the holder may have been preempted
		}
	}
}

func (l *pinnedLock) Unlock() {
	l.held.Store(false)
	pcpu.Unpin()
}

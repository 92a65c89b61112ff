//go:build smr_sched

// Package sync is the locks of Go's sync, with a point of package sched's in each operation.
package sync

import (
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
)

// Locker is [sync.Locker].
type Locker = sync.Locker

// A Mutex is a mutual exclusion lock. Unlock is no point unless the program asks for it: a
// goroutine that waits for the lock can continue at the next point.
type Mutex struct {
	mu     sync.Mutex // for goroutines that are not scheduled
	holder int        // sched.ID of a scheduled one; plain, as one of these runs at a time
}

// Lock locks m.
func (m *Mutex) Lock() {
	if !sched.Scheduled() {
		m.mu.Lock()
		return
	}
	sched.Until("lock", unsafe.Pointer(m), func() bool { return m.holder == 0 })
	m.holder = sched.ID()
}

// TryLock locks m unless it is locked, and reports whether it did.
func (m *Mutex) TryLock() bool {
	if !sched.Scheduled() {
		return m.mu.TryLock()
	}
	if !sched.Unlocks() {
		panic("TryLock in an exploration without sched.Options.Unlocks")
	}
	sched.Locked("trylock", unsafe.Pointer(m))
	if m.holder != 0 {
		return false
	}
	m.holder = sched.ID()
	return true
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	if !sched.Scheduled() {
		m.mu.Unlock()
		return
	}
	if m.holder == 0 {
		panic("unlock of an unlocked Mutex")
	}
	if sched.Unlocks() {
		sched.Locked("unlock", unsafe.Pointer(m))
	}
	sched.Drain()
	m.holder = 0
}

// A Cond is a condition variable.
type Cond struct {
	L       Locker
	real    sync.Cond
	waiters []*bool // whether each is woken, oldest first
}

// Wait unlocks L, waits to be woken, and locks L again. It begins with a point: a Signal without L
// can come first, and is missed.
func (c *Cond) Wait() {
	if !sched.Scheduled() {
		c.real.L = c.L
		c.real.Wait()
		return
	}
	sched.Locked("wait", unsafe.Pointer(c))
	woken := new(bool)
	c.waiters = append(c.waiters, woken)
	c.L.Unlock()
	sched.Until("wake up", unsafe.Pointer(c), func() bool { return *woken })
	c.L.Lock()
}

// Signal wakes the goroutine that has waited longest.
func (c *Cond) Signal() {
	c.point("signal")
	if len(c.waiters) > 0 {
		*c.waiters[0] = true
		c.waiters = c.waiters[1:]
	}
	c.real.Signal()
}

// Broadcast wakes all waiting goroutines.
func (c *Cond) Broadcast() {
	c.point("broadcast")
	for _, woken := range c.waiters {
		*woken = true
	}
	c.waiters = nil
	c.real.Broadcast()
}

// point is a point unless the caller holds L: only then can nothing come between what it did
// before and the signal.
func (c *Cond) point(op string) {
	if m, ok := c.L.(*Mutex); !ok || m.holder != sched.ID() {
		sched.Point(op, unsafe.Pointer(c))
	}
}

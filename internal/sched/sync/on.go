//go:build smr_sched

// Package sync is what package sync has of locks, each operation a point of package
// sched's.
package sync

import (
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
)

// Locker is [sync.Locker].
type Locker = sync.Locker

// A Mutex is a mutual exclusion lock. Unlock is no point: whoever waits for the lock
// can go on from the next one.
type Mutex struct {
	mu   sync.Mutex // of goroutines that are not scheduled
	held bool       // by one that is; in an execution one goroutine runs at a time
}

// Lock locks m.
func (m *Mutex) Lock() {
	if !sched.Scheduled() {
		m.mu.Lock()
		return
	}
	sched.Until("lock", unsafe.Pointer(m), func() bool { return !m.held })
	m.held = true
}

// TryLock locks m unless it is locked, and reports whether it did.
func (m *Mutex) TryLock() bool {
	if !sched.Scheduled() {
		return m.mu.TryLock()
	}
	sched.Locked("trylock", unsafe.Pointer(m))
	if m.held {
		return false
	}
	m.held = true
	return true
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	if !sched.Scheduled() {
		m.mu.Unlock()
		return
	}
	if !m.held {
		panic("unlock of an unlocked Mutex")
	}
	sched.Drain()
	m.held = false
}

// A Cond is a condition variable.
type Cond struct {
	L       Locker
	real    sync.Cond
	waiters []*bool // woken
}

// Wait unlocks L, waits to be woken, and locks L again.
func (c *Cond) Wait() {
	if !sched.Scheduled() {
		c.real.L = c.L
		c.real.Wait()
		return
	}
	woken := new(bool)
	c.waiters = append(c.waiters, woken)
	c.L.Unlock()
	sched.Until("wake up", unsafe.Pointer(c), func() bool { return *woken })
	c.L.Lock()
}

// Signal wakes one goroutine that waits.
func (c *Cond) Signal() {
	if len(c.waiters) > 0 {
		*c.waiters[0] = true
		c.waiters = c.waiters[1:]
	}
	c.real.Signal()
}

// Broadcast wakes all goroutines that wait.
func (c *Cond) Broadcast() {
	for _, woken := range c.waiters {
		*woken = true
	}
	c.waiters = nil
	c.real.Broadcast()
}

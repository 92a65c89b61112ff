//go:build !smr_sched

package sched

import "runtime"

// Enabled tells whether this build can be scheduled.
const Enabled = false

// Go starts a goroutine.
func Go(fn func()) { go fn() }

// Gosched is [runtime.Gosched].
func Gosched() { runtime.Gosched() }

// Procs is GOMAXPROCS.
func Procs() int { return runtime.GOMAXPROCS(0) }

// Spins returns how often to look before doing something dearer: n, or once under
// the scheduler, to which looking twice is looking in vain.
func Spins(n int) int { return n }

// Wakes comes before an operation that may wake another goroutine and that is not
// of sched/sync: sending to a channel, closing one.
func Wakes() {}

//go:build !smr_sched

package sched

import "runtime"

// Controlled says whether this build runs goroutines under the scheduler.
const Controlled = false

// Go starts a goroutine.
func Go(fn func()) { go fn() }

// Gosched is [runtime.Gosched].
func Gosched() { runtime.Gosched() }

// Procs is GOMAXPROCS.
func Procs() int { return runtime.GOMAXPROCS(0) }

// Spins returns how often to poll before doing something dearer: n, or 0 under the scheduler.
func Spins(n int) int { return n }

// Plain comes before a non-atomic access to memory, where it matters that other goroutines may
// act between the caller's last atomic access and this one.
func Plain() {}

// Detached returns fn for other code to run on a new goroutine.
func Detached(fn func()) func() { return fn }

// Wakes comes before an operation outside of sched/sync that may wake another goroutine: a send
// on a channel, or a close.
func Wakes() {}

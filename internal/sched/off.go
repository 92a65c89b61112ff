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

// Spins returns how often to look before doing something dearer: n, or 0 under the
// scheduler.
func Spins(n int) int { return n }

// Plain comes before an access to memory that is not atomic, where it matters that
// others may do something between it and the atomic access before.
func Plain() {}

// Detached returns fn for somebody who runs it on a new goroutine.
func Detached(fn func()) func() { return fn }

// Wakes comes before an operation that may wake another goroutine and that is not
// of sched/sync: sending to a channel, closing one.
func Wakes() {}

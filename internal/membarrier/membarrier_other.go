//go:build !linux && !smr_sched

package membarrier

// Available reports whether [Barrier] works here: only on Linux.
func Available() bool { return false }

// Barrier panics: see [Available].
func Barrier() { panic("membarrier: not available on this system") }

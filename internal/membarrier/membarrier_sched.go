//go:build smr_sched

package membarrier

import "github.com/gosmr/gosmr/internal/sched"

// Available reports that the scheduler imitates it.
func Available() bool { return true }

// Barrier executes a full fence on every virtual processor.
func Barrier() { sched.Membarrier() }

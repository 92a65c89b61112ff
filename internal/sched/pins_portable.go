//go:build smr_sched && smr_portable

package sched

// Pins tells whether pinning keeps other goroutines off a virtual processor.
const Pins = false

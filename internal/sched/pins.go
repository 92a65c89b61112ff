//go:build smr_sched && !smr_portable

package sched

// Pins tells whether pinning keeps others off a virtual processor.
const Pins = true

//go:build smr_sched

// This file lets the package declare functions without bodies.

//go:build !invariants

// Package invariants tells whether the program was built with -tags invariants:
// with checks that cost too much for every day, and cost nothing when off.
package invariants

// Enabled tells whether the checks are in the build.
const Enabled = false

//go:build !invariants

// Package invariants tells whether the program is built with -tags invariants: with checks that
// are too slow for everyday use, and cost nothing when off.
package invariants

// Enabled tells whether the checks are in the build.
const Enabled = false

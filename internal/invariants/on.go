//go:build invariants

package invariants

// Enabled tells whether the checks are in the build.
const Enabled = true

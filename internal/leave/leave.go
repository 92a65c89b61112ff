//go:build invariants

// Package leave tells package smrmap, under -tags invariants, when a section of package smr ends.
// Package smr implements it.
package leave

// Set while package smr is initialized.
var (
	// At arranges for fn to be called when an open smr.Section ends: by the goroutine that leaves it,
	// or announces the quiescent state, before the section ends. That goroutine panics with what fn
	// returns, unless that is "", after the section has ended. fn must not refer to the Section.
	At func(section any, fn func() (found string))

	// Pinned reports whether the calling goroutine is in a pinned section: then it makes no system
	// call, in which it could lose its processor.
	Pinned func() bool
)

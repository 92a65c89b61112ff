//go:build gc && (amd64 || arm64) && !smr_portable

package prefetch

import "unsafe"

// Fetches tells whether Lines does anything.
const Fetches = true

//go:noescape
func lines(first *unsafe.Pointer, n int, span uintptr)

//go:build !(linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !invariants)

package smrmap

// optimistic is explained in optimistic_on.go. In this build Map.Load enters a section.
const optimistic = false

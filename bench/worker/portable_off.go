//go:build !smr_portable

package main

// portable is the build without the fast path: its peers are ours only, and go by
// another name.
const portable = false

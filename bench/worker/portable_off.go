//go:build !smr_portable

package main

// portable is the build without the fast path: its peers are ours only, and go by
// another name.
const portable = false

// self is what this library is called, where it is one peer.
const self = "gosmr"

// Package leaktest checks with go.uber.org/goleak that the library leaves no goroutine
// behind: not at rest, not after Close, not after a wait that is canceled.
package leaktest

// Package leaktest checks with go.uber.org/goleak that the library leaves no
// goroutine behind. It is a module of its own so that the library does not
// depend on goleak.
package leaktest

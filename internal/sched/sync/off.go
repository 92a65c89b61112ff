//go:build !smr_sched

// Package sync is the locks of Go's sync, except in a build with -tags smr_sched, where taking one
// is a point of package sched's.
package sync

import "sync"

type (
	Mutex  = sync.Mutex
	Cond   = sync.Cond
	Locker = sync.Locker
)

// As in package atomic beside this one, so that importers can inline these methods.
var _ = func() {
	var m Mutex
	m.Lock()
	m.TryLock()
	m.Unlock()
}

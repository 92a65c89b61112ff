//go:build !smr_sched

// Package sync is what package sync has of locks, but in a build with -tags
// smr_sched, in which taking one is a point of package sched's.
package sync

import "sync"

type (
	Mutex  = sync.Mutex
	Cond   = sync.Cond
	Locker = sync.Locker
)

// See package atomic beside this one.
var _ = func() {
	var m Mutex
	m.Lock()
	m.TryLock()
	m.Unlock()
}

package invariants

import "sync"

// Held reports whether a lock is held. It can't tell by which goroutine.
func Held(lock interface {
	sync.Locker
	TryLock() bool
}) bool {
	if !lock.TryLock() {
		return true
	}
	lock.Unlock()
	return false
}

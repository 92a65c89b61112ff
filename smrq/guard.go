package smrq

import "sync"

// A TryLocker is a lock of which one can find out whether it is held: a
// [sync.Mutex] or a [sync.RWMutex].
type TryLocker interface {
	sync.Locker
	TryLock() bool
}

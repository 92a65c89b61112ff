package smrq

import "sync"

// A TryLocker is a lock that can be tested for being held: a [sync.Mutex] or a [sync.RWMutex].
type TryLocker interface {
	sync.Locker
	TryLock() bool
}

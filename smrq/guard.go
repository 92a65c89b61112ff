package smrq

import "github.com/gosmr/gosmr/smr"

// A TryLocker is a lock that can be tested for being held: a [sync.Mutex] or a [sync.RWMutex].
type TryLocker = smr.TryLocker

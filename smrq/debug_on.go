//go:build invariants

package smrq

// queueDebug names the writers' lock, if GuardedBy was called.
type queueDebug struct{ lock TryLocker }

// GuardedBy is documented in debug_off.go.
func (q *queue[T]) GuardedBy(lock TryLocker) { q.lock = lock }

// writing panics if the writers' lock is not held. It can't tell which goroutine holds it.
func (q *queue[T]) writing(op string) {
	if q.lock != nil && q.lock.TryLock() {
		q.lock.Unlock()
		panic(q.describe(op, nil, "the lock that guards its writers is not held"))
	}
}

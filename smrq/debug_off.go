//go:build !invariants

package smrq

//lint:ignore U1000 it has fields under -tags invariants
type queueDebug struct{}

// GuardedBy names the lock that serializes the queue's writers. Under -tags invariants their
// methods panic if it is not held; without, GuardedBy does nothing. Call it before the queue is
// used.
func (q *queue[T]) GuardedBy(TryLocker) {}

func (q *queue[T]) writing(string) {}

func (q *queue[T]) hide() {}

func (q *queue[T]) show() {}

func (q *queue[T]) arriving(string) {}

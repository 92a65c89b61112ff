//go:build invariants

package smrq

import (
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// queueDebug names the writers' lock, if GuardedBy was called.
type queueDebug struct {
	lock TryLocker

	// hidden is set from Unpublish to Init. Written by writers, read by readers (acquire: they find the
	// goals).
	hidden atomic.Pointer[[]hiddenFrom]
}

// A hiddenFrom is a goal that the domain reaches when no reader is left that entered before
// Unpublish.
type hiddenFrom struct {
	dom  *smr.Domain
	goal smr.Seq
}

// GuardedBy is documented in debug_off.go.
func (q *queue[T]) GuardedBy(lock TryLocker) { q.lock = lock }

// writing panics if the writers' lock is not held. It can't tell which goroutine holds it.
func (q *queue[T]) writing(op string) {
	if q.lock != nil && !invariants.Held(q.lock) {
		panic(q.describe(op, nil, "the lock that guards its writers is not held"))
	}
}

// hide begins a grace period of each domain: the queue does not know which is its readers'.
func (q *queue[T]) hide() {
	var hidden []hiddenFrom
	for _, d := range smr.Domains() {
		hidden = append(hidden, hiddenFrom{d, d.Advance()})
	}
	q.hidden.CompareAndSwap(nil, &hidden)
}

func (q *queue[T]) show() { q.hidden.Store(nil) }

// arriving panics for a reader that comes by an unpublished head and must be a new one: the grace
// periods of all domains are over, so that of its own is.
func (q *queue[T]) arriving(op string) {
	hidden := q.hidden.Load()
	if hidden == nil {
		return
	}
	for _, h := range *hidden {
		if !h.dom.Passed(h.goal) {
			return
		}
	}
	panic(q.describe(op, nil, "a new reader comes by its head, which Unpublish said does not happen"))
}

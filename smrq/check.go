package smrq

import (
	"errors"
	"fmt"
	"unsafe"

	"github.com/gosmr/gosmr/internal/invariants"
)

// The checks for misuse compare an element's owner with the queue's id; those for damage compare
// the links of neighbors. They read only what the operation is about to use.

// checkReady panics if the queue was never made, needs Init after Append, or is being split.
func (q *queue[T]) checkReady(op string) {
	if q.state != ready {
		q.notReady(op)
	}
}

// checkOwner panics if l is not in the queue, which is ready.
func (q *queue[T]) checkOwner(op string, l *Link[T]) {
	if l.owner&idMask != q.id {
		q.misplaced(op, l)
	}
}

// linkOf returns the Link of e, which must not be nil.
func (q *queue[T]) linkOf(op string, e *T) *Link[T] {
	if e == nil {
		q.broken(op, nil, "the element is nil")
	}
	return q.link(e)
}

// checkRemovable panics unless l is in the queue and no appended queue's head leads to it.
func (q *queue[T]) checkRemovable(op string, l *Link[T]) {
	if l.owner != q.id {
		q.misplaced(op, l)
	}
}

// member returns the Link of e, which must be in the queue.
func (q *queue[T]) member(op string, e *T) *Link[T] {
	l := q.linkOf(op, e)
	q.checkReady(op)
	q.checkOwner(op, l)
	if invariants.Enabled && q.kind&double != 0 && q.nextOf(l.prev).LoadSerialized() != l {
		q.broken(op, l, "it points back at %s, which does not lead to it", q.name(l.prev))
	}
	return l
}

// removable returns the Link of e, which must be in the queue and removable.
func (q *queue[T]) removable(op string, e *T) *Link[T] {
	l := q.linkOf(op, e)
	q.checkReady(op)
	q.checkRemovable(op, l)
	return l
}

// unlinked returns the Link of e, which must be in no queue.
func (q *queue[T]) unlinked(op string, e *T) *Link[T] {
	l := q.linkOf(op, e)
	if l.owner != 0 {
		q.misplaced(op, l)
	}
	return l
}

// checkPlace panics if l, whose owner is no queue, can't be inserted between at (nil: the head) and
// next: because it is one of the two, or because the two do not agree. It reads only neighbors that
// the insertion will write to.
func (q *queue[T]) checkPlace(op string, at, next, l *Link[T]) {
	if at == l || next == l {
		q.broken(op, l, "it is linked already, and its Link was overwritten")
	}
	if at != nil {
		q.checkOwner(op, at)
	}
	if next != nil && (q.kind&double != 0 || invariants.Enabled) {
		q.checkOwner(op, next)
		if q.kind&double != 0 && next.prev != at {
			q.broken(op, next, "it points back at %s, and %s leads to it", q.name(next.prev), q.name(at))
		}
	}
	q.checkTail(op, at, next)
}

// checkNeighbors panics unless l follows at (nil: the head) and agrees with it and with the element
// after it.
func (q *queue[T]) checkNeighbors(op string, at, l *Link[T]) {
	if found := q.nextOf(at).LoadSerialized(); found != l {
		q.broken(op, l, "%s, the element before it, leads to %s", q.name(at), q.name(found))
	}
	next := l.next.LoadSerialized()
	if q.kind&double != 0 {
		if l.prev != at {
			q.broken(op, l, "it points back at %s, and %s leads to it", q.name(l.prev), q.name(at))
		}
		if next != nil && next.prev != l {
			q.broken(op, l, "%s, the element after it, points back at %s", q.name(next), q.name(next.prev))
		}
	}
	q.checkTail(op, l, next)
}

// checkTail panics unless l (nil: the head), whose next is next, is the tail if and only if next is
// nil.
func (q *queue[T]) checkTail(op string, l, next *Link[T]) {
	if q.kind&tailed != 0 && (next == nil) != (q.tail == l) {
		q.broken(op, l, "it leads to %s, and the tail is %s", q.name(next), q.name(q.tail))
	}
}

// Verify checks all links of the queue and returns an error that says what is wrong, or nil. It is
// for tests and debugging. Only a writer may call it; a queue that was appended needs Init first.
// Cost: a walk.
func (q *queue[T]) Verify() error {
	const op = "Verify"
	q.writing(op)
	fail := func(l *Link[T], format string, args ...any) error {
		return errors.New(q.describe(op, l, fmt.Sprintf(format, args...)))
	}
	if q.state != ready {
		return fail(nil, "%s", q.state)
	}
	w := q.walk()
	for ; w.at != nil; w.step() {
		if found := w.wrong(); found != "" {
			return fail(w.at, "%s", found)
		}
		if q.kind&double != 0 && w.at.prev != w.before {
			return fail(w.at, "it points back at %s, and %s leads to it", q.name(w.at.prev), q.name(w.before))
		}
	}
	if q.kind&tailed != 0 && q.tail != w.before {
		return fail(w.before, "it is the last one, and the tail is %s", q.name(q.tail))
	}
	return nil
}

// notReady panics for a queue that checkReady refuses.
//
//go:noinline
func (q *queue[T]) notReady(op string) { panic(q.describe(op, nil, q.state.String())) }

// String says what a queue in this state needs.
func (s state) String() string {
	switch s {
	case unmade:
		return "it was never made: use its constructor, or InitWith"
	case lending, unpublished:
		return "its elements were moved by Append: it needs Init first"
	case splitting, stepping:
		return "it is being split: that needs Split.Step, to the last one, first"
	}
	return "it is ready"
}

// misplaced panics for an element that is in the wrong queue or in none, or that an appended queue
// still leads to.
//
//go:noinline
func (q *queue[T]) misplaced(op string, l *Link[T]) {
	if q.id != 0 && l.owner&idMask == q.id && l.owner != q.id {
		panic(q.describe(op, l, "a queue that was appended still leads to it: that needs Init first, or Unpublish"))
	}
	panic(q.describe(op, l, "it is in "+owner(l.owner)))
}

// broken panics for links that contradict each other.
//
//go:noinline
func (q *queue[T]) broken(op string, l *Link[T], found string, args ...any) {
	panic(q.describe(op, l, fmt.Sprintf(found, args...)))
}

// describe formats a message: the operation, the queue, the element (unless l is nil), and what was
// found.
func (q *queue[T]) describe(op string, l *Link[T], found string) string {
	where := ""
	if l != nil {
		where = " at element " + q.name(l)
	}
	kind := "queue"
	if q.state != unmade {
		kind = q.kind.String()
	}
	return fmt.Sprintf("smrq: %s of %s %d (%p)%s: %s", op, kind, q.id, q, where, found)
}

// name returns the address of l's element for a message. It does not follow l, which may be
// anything.
func (q *queue[T]) name(l *Link[T]) string {
	if l == nil {
		return "nothing"
	}
	return fmt.Sprintf("%#x", uintptr(unsafe.Pointer(l))-uintptr(q.off))
}

// owner describes a Link's owner in a message.
func owner(id uint64) string {
	if id == 0 {
		return "no queue"
	}
	return fmt.Sprintf("queue %d", id&idMask)
}

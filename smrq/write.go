package smrq

import (
	"iter"

	"github.com/gosmr/gosmr/smr"
)

// Writers' methods. All writers of a queue are serialized, by a lock of the
// caller's; none of these methods may run beside another on the same queue.
//
// Each operation has two halves: it checks everything that it relies on, and only
// then stores.

// FirstSerialized returns the first element to a writer, nil if there is none.
func (q *queue[T]) FirstSerialized() *T {
	const op = "FirstSerialized"
	q.writing(op)
	q.checkReady(op)
	return q.elem(q.head.LoadSerialized())
}

func (q *queue[T]) lastSerialized() *T {
	const op = "LastSerialized"
	q.writing(op)
	q.checkReady(op)
	return q.elem(q.tail)
}

// NextSerialized returns the element after e to a writer, nil if e is the last
// one. It panics if e is not in the queue.
func (q *queue[T]) NextSerialized(e *T) *T {
	const op = "NextSerialized"
	q.writing(op)
	return q.elem(q.member(op, e).next.LoadSerialized())
}

// AllSerialized walks the queue for a writer, which may remove, replace, move or
// free the element that it is at, and insert others. What it inserts directly after
// that one is not visited; what it moves further behind is visited again. It panics
// if the element to be visited next was taken out of the queue meanwhile.
func (q *queue[T]) AllSerialized() iter.Seq[*T] {
	return func(yield func(*T) bool) {
		const op = "AllSerialized"
		q.writing(op)
		q.checkReady(op)
		for l := q.head.LoadSerialized(); l != nil; {
			q.checkOwner(op, l)
			next := l.next.LoadSerialized()
			if !yield(q.elem(l)) {
				return
			}
			l = next
		}
	}
}

// InsertHead inserts e before the first element. It panics if e is in a queue.
func (q *queue[T]) InsertHead(e *T) {
	const op = "InsertHead"
	q.writing(op)
	q.insert(op, nil, e, true)
}

// InsertAfter inserts e after at. It panics if at is not in the queue, or e is in
// one.
func (q *queue[T]) InsertAfter(at, e *T) {
	const op = "InsertAfter"
	q.writing(op)
	q.insert(op, q.member(op, at), e, true)
}

// InsertHeadRelaxed is InsertHead for a queue that no reader can see yet: its stores
// are plain. No reader may stand on e either: it is new, or its grace period is over.
func (q *queue[T]) InsertHeadRelaxed(e *T) { q.insert("InsertHeadRelaxed", nil, e, false) }

// InsertAfterRelaxed is InsertAfter as InsertHeadRelaxed is InsertHead.
func (q *queue[T]) InsertAfterRelaxed(at, e *T) {
	const op = "InsertAfterRelaxed"
	q.insert(op, q.member(op, at), e, false)
}

func (q *queue[T]) insertTail(e *T) {
	const op = "InsertTail"
	q.writing(op)
	q.insert(op, q.tail, e, true)
}

func (q *queue[T]) insertTailRelaxed(e *T) { q.insert("InsertTailRelaxed", q.tail, e, false) }

// Remove takes e out of the queue. Readers may stand on it until the next grace
// period: give it to [smr.Call]. It panics if e is not in the queue.
//
// Cost: O(1) with back links; without, a walk to e ([Cursor.Erase] needs none).
func (q *queue[T]) Remove(e *T) {
	const op = "Remove"
	q.writing(op)
	l := q.removable(op, e)
	q.unlink(op, q.before(op, l), l)
}

// Replace puts e in the place of old. A reader sees the one or the other. Readers
// may stand on old until the next grace period. It panics if old is not in the
// queue, or e is in one.
//
// Cost: as for Remove.
func (q *queue[T]) Replace(old, e *T) {
	const op = "Replace"
	q.writing(op)
	o, l := q.removable(op, old), q.unlinked(op, e)
	at := q.before(op, o)
	q.checkNeighbors(op, at, o)

	next := o.next.LoadSerialized()
	q.own(at, l, next)
	l.next.StoreRelaxed(next) // readers could reach it before
	q.nextOf(at).Store(l)
	o.prev = nil
	o.owner = 0
}

// append moves the elements of src, in order, behind those of q.
func (q *queue[T]) append(src *queue[T]) {
	const op = "Append"
	q.writing(op)
	src.writing(op)
	if q == src {
		q.broken(op, nil, "source and destination are the same queue")
	}
	q.checkReady(op)
	src.checkReady(op)
	if q.off != src.off {
		q.broken(op, nil, "the source uses another Link of its elements")
	}
	last, first := q.last(op), src.head.LoadSerialized()
	if first == nil {
		src.checkTail(op, nil, nil)
		src.id = 0
		return
	}
	if q.kind&tailed != 0 {
		src.checkTail(op, src.tail, src.nextOf(src.tail).LoadSerialized())
	}
	if q.kind&double != 0 && first.prev != nil {
		src.broken(op, first, "it is the first one, and points back at %s", src.name(first.prev))
	}
	if last == nil {
		q.id = src.id
	} else {
		q.adopt(op, src, first)
	}

	first.owner += oneLoan
	if q.kind&double != 0 {
		first.prev = last
	}
	if q.kind&tailed != 0 {
		q.tail = src.tail
	}
	q.nextOf(last).Store(first)
	src.tail = nil
	src.id = 0 // until Init
}

// adopt makes q the owner of src's elements, from the first on. If one of them is
// not src's, or the last is not its tail, all are as they were.
func (q *queue[T]) adopt(op string, src *queue[T], first *Link[T]) {
	delta := q.id - src.id // loans stay as they are
	var last *Link[T]
	for l := first; l != nil; l = l.next.LoadSerialized() {
		if l.owner&idMask != src.id {
			for a := first; a != l; a = a.next.LoadSerialized() {
				a.owner -= delta
			}
			src.misplaced(op, l)
		}
		l.owner += delta
		last = l
	}
	if src.kind&tailed != 0 && last != src.tail {
		for a := first; a != nil; a = a.next.LoadSerialized() {
			a.owner -= delta
		}
		src.checkTail(op, last, nil)
	}
}

// insert links e behind at, or at the head if that is nil. Readers may see the
// queue if visible.
func (q *queue[T]) insert(op string, at *Link[T], e *T, visible bool) {
	q.checkReady(op)
	l := q.unlinked(op, e)
	slot := q.nextOf(at)
	next := slot.LoadSerialized()
	q.checkPlace(op, at, next, l)

	q.own(at, l, next)
	switch {
	case !visible:
		l.next.StoreUnserialized(next)
		slot.StoreUnserialized(l)
	default:
		// next is published already. It must be set before the store, with release,
		// that publishes l. (It is no private store itself: l may have been moved
		// here, with readers on it.)
		l.next.StoreRelaxed(next)
		slot.Store(l)
	}
}

// own makes l the queue's, between at and next, as far as only writers see: its
// owner, the back links and the tail.
func (q *queue[T]) own(at, l, next *Link[T]) {
	l.owner = q.id
	if q.kind&double != 0 {
		l.prev = at
		if next != nil {
			next.prev = l
		}
	}
	if q.kind&tailed != 0 && next == nil {
		q.tail = l
	}
}

// unlink takes l out, whose predecessor is at (nil: it is the first).
func (q *queue[T]) unlink(op string, at, l *Link[T]) {
	q.checkNeighbors(op, at, l)
	next := l.next.LoadSerialized()

	// No release: next was published when it was inserted, in l or in an element
	// removed since, and what is reachable is initialized. (On a machine that
	// reorders stores this needs care that a plain store would not give: next may
	// have been published by this writer a moment ago, and this store must not
	// become visible before that one. Every store of package relacq keeps the
	// order of stores, so here it does not.)
	q.nextOf(at).StoreRelaxed(next)
	if q.kind&double != 0 {
		l.prev = nil
		if next != nil {
			next.prev = at
		}
	}
	if q.kind&tailed != 0 && next == nil {
		q.tail = at
	}
	l.owner = 0
}

// nextOf returns the pointer that leads on from at, or from the head if that is
// nil.
func (q *queue[T]) nextOf(at *Link[T]) *smr.Pointer[Link[T]] {
	if at == nil {
		return &q.head
	}
	return &at.next
}

// before returns the predecessor of l, an element of q; nil if it is the first.
func (q *queue[T]) before(op string, l *Link[T]) *Link[T] {
	if q.kind&double != 0 {
		return l.prev
	}
	w := q.walk()
	for w.check(op); w.at != l; w.check(op) {
		if w.at == nil {
			q.broken(op, l, "it is not on the way from the head to the end")
		}
		w.step()
	}
	return w.before
}

// last returns the last element.
func (q *queue[T]) last(op string) *Link[T] {
	if q.kind&tailed != 0 {
		q.checkTail(op, q.tail, q.nextOf(q.tail).LoadSerialized())
		return q.tail
	}
	w := q.walk()
	for w.check(op); w.at != nil; w.check(op) {
		w.step()
	}
	return w.before
}

// A walker goes from element to element, also of a queue that is damaged. Whoever
// uses it asks at each what is wrong: that it is not the queue's, or that the walk
// goes in a circle.
type walker[T any] struct {
	q          *queue[T]
	before, at *Link[T]
	slow       *Link[T] // half as fast: who meets it is in a circle
	odd        bool
}

func (q *queue[T]) walk() walker[T] {
	first := q.head.LoadSerialized()
	return walker[T]{q: q, at: first, slow: first}
}

func (w *walker[T]) step() {
	w.before, w.at = w.at, w.at.next.LoadSerialized()
	if w.odd = !w.odd; !w.odd {
		w.slow = w.slow.next.LoadSerialized()
	}
}

// wrong says what is wrong with the element that the walk is at, "" if nothing is.
func (w *walker[T]) wrong() string {
	switch {
	case w.at == nil:
		return ""
	case w.at.owner&idMask != w.q.id:
		return "it is in " + owner(w.at.owner)
	case w.before != nil && w.at == w.slow:
		return "it leads back to itself"
	}
	return ""
}

// check panics with what is wrong.
func (w *walker[T]) check(op string) {
	if found := w.wrong(); found != "" {
		w.q.broken(op, w.at, "%s", found)
	}
}

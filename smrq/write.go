package smrq

import (
	"iter"

	"github.com/gosmr/gosmr/smr"
)

// The writers' methods. The caller's lock serializes them. Each operation first checks all that it
// relies on, and only then stores.

// FirstSerialized returns the first element to a writer, or nil if the queue is empty.
func (q *queue[T]) FirstSerialized() *T {
	const op = "FirstSerialized"
	q.writing(op)
	q.checkReady(op)
	return q.elem(q.head.LoadSerialized())
}

// NextSerialized returns the element after e to a writer, or nil if e is the last. It panics if e
// is not in the queue.
func (q *queue[T]) NextSerialized(e *T) *T {
	const op = "NextSerialized"
	q.writing(op)
	return q.elem(q.member(op, e).next.LoadSerialized())
}

// AllSerialized walks the queue for a writer, which may remove, replace, move or free the current
// element and insert others. It skips an element inserted directly after the current one, and
// revisits one moved further back. It panics if the element to visit next was removed meanwhile.
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

// InsertAfter inserts e after at. It panics if at is not in the queue, or if e is in a queue.
func (q *queue[T]) InsertAfter(at, e *T) {
	const op = "InsertAfter"
	q.writing(op)
	q.insert(op, q.member(op, at), e, true)
}

// InsertHeadRelaxed is InsertHead by plain stores, for a queue that no reader can see yet. No
// reader may be at e either: e is new, or its grace period is over.
func (q *queue[T]) InsertHeadRelaxed(e *T) { q.insert("InsertHeadRelaxed", nil, e, false) }

// InsertAfterRelaxed is to InsertAfter what InsertHeadRelaxed is to InsertHead.
func (q *queue[T]) InsertAfterRelaxed(at, e *T) {
	const op = "InsertAfterRelaxed"
	q.insert(op, q.member(op, at), e, false)
}

// Remove removes e from the queue. Readers may be at e until a grace period is over: give it to
// [smr.Call]. It panics if e is not in the queue. Cost: O(1) with back links, else a walk to e
// ([Cursor.Erase] needs none).
func (q *queue[T]) Remove(e *T) {
	const op = "Remove"
	q.writing(op)
	l := q.removable(op, e)
	q.unlink(op, q.before(op, l), l)
}

// Replace removes old and inserts e in its place. A reader sees one of the two. Readers may be at
// old until a grace period is over. It panics if old is not in the queue, or if e is in a queue.
// Cost: that of Remove.
func (q *queue[T]) Replace(old, e *T) {
	const op = "Replace"
	q.writing(op)
	o, l := q.removable(op, old), q.unlinked(op, e)
	at := q.before(op, o)
	q.checkNeighbors(op, at, o)

	next := o.next.LoadSerialized()
	q.own(at, l, next)
	l.next.StoreRelaxed(next) // next is published already
	q.nextOf(at).Store(l)
	o.prev = nil
	o.owner = 0
}

// insert links e after at, or at the head if at is nil. visible tells whether readers may see the
// queue.
func (q *queue[T]) insert(op string, at *Link[T], e *T, visible bool) {
	q.checkReady(op)
	l := q.unlinked(op, e)
	slot := q.nextOf(at)
	next := slot.LoadSerialized()
	q.checkPlace(op, at, next, l)

	q.own(at, l, next)
	if !visible {
		l.next.StoreUnserialized(next)
		slot.StoreUnserialized(l)
		return
	}
	// next is published already. l.next is set before the release store that publishes l, and not
	// by a private store: l may have been moved here with readers at it.
	l.next.StoreRelaxed(next)
	slot.Store(l)
}

// own makes l an element between at and next in the words that only writers use: its owner, the
// back links and the tail.
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

// unlink removes l, whose predecessor is at (nil: l is the first).
func (q *queue[T]) unlink(op string, at, l *Link[T]) {
	q.checkNeighbors(op, at, l)
	next := l.next.LoadSerialized()

	// This needs no release: next is published already. If this writer did so just now, this store
	// must not become visible before that one; StoreRelaxed keeps the order.
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

// nextOf returns at's next, or the head if at is nil.
func (q *queue[T]) nextOf(at *Link[T]) *smr.Pointer[Link[T]] {
	if at == nil {
		return &q.head
	}
	return &at.next
}

// before returns the predecessor of l, an element of q, or nil if l is the first.
func (q *queue[T]) before(op string, l *Link[T]) *Link[T] {
	if q.kind&double != 0 {
		return l.prev
	}
	return q.walkTo(op, l)
}

// last returns the last element, nil if the queue is empty.
func (q *queue[T]) last(op string) *Link[T] {
	if q.kind&tailed != 0 {
		q.checkTail(op, q.tail, q.nextOf(q.tail).LoadSerialized())
		return q.tail
	}
	return q.walkTo(op, nil)
}

// walkTo walks from the head to l (nil: to the end) and returns the element before it. It panics if
// something is wrong with an element on the way.
func (q *queue[T]) walkTo(op string, l *Link[T]) *Link[T] {
	w := q.walk()
	for ; ; w.step() {
		if found := w.wrong(); found != "" {
			q.broken(op, w.at, "%s", found)
		}
		if w.at == l {
			return w.before
		}
		if w.at == nil {
			q.broken(op, l, "it is not on the way from the head to the end")
		}
	}
}

// A walker walks a queue that may be damaged. At each element the caller asks what is wrong: the
// element is not the queue's, or the walk is in a circle.
type walker[T any] struct {
	q          *queue[T]
	before, at *Link[T]
	slow       *Link[T] // moves at half the speed; a walk in a circle meets it
	slowMoves  bool     // at the next step
}

// walk returns a walker at the first element.
func (q *queue[T]) walk() walker[T] {
	first := q.head.LoadSerialized()
	return walker[T]{q: q, at: first, slow: first}
}

// step moves to the next element.
func (w *walker[T]) step() {
	w.before, w.at = w.at, w.at.next.LoadSerialized()
	if w.slowMoves {
		w.slow = w.slow.next.LoadSerialized()
	}
	w.slowMoves = !w.slowMoves
}

// wrong says what is wrong with the current element, "" if nothing is.
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

package smrq

// An SList has a head and forward links: the smallest. Remove and Replace walk to
// the element; [Cursor.Erase] does not. Make one with [NewSList].
type SList[T any] struct{ queue[T] }

// A List has a head, and links in both directions. Make one with [NewList].
type List[T any] struct{ queue[T] }

// An STailQ has a head, a tail and forward links: a FIFO. Remove and Replace walk
// to the element; [Cursor.Erase] does not. Make one with [NewSTailQ].
type STailQ[T any] struct{ queue[T] }

// A TailQ has a head, a tail, and links in both directions. Make one with
// [NewTailQ].
type TailQ[T any] struct{ queue[T] }

// NewSList returns an empty SList of elements whose Link the accessor returns: the
// address of a field. It calls the accessor once, on a zero T, and panics if what
// that returns is not inside it.
func NewSList[T any](link func(*T) *Link[T]) *SList[T] {
	q := new(SList[T])
	q.InitWith(link)
	return q
}

// NewList is [NewSList] for a List.
func NewList[T any](link func(*T) *Link[T]) *List[T] {
	q := new(List[T])
	q.InitWith(link)
	return q
}

// NewSTailQ is [NewSList] for an STailQ.
func NewSTailQ[T any](link func(*T) *Link[T]) *STailQ[T] {
	q := new(STailQ[T])
	q.InitWith(link)
	return q
}

// NewTailQ is [NewSList] for a TailQ.
func NewTailQ[T any](link func(*T) *Link[T]) *TailQ[T] {
	q := new(TailQ[T])
	q.InitWith(link)
	return q
}

// InitWith makes a zero SList that is part of another structure, as [NewSList]
// does, before anybody uses it. A queue must not be copied.
func (q *SList[T]) InitWith(link func(*T) *Link[T]) { q.setUp(0, link) }

// InitWith makes a zero List that is part of another structure, as [NewList] does.
// A queue must not be copied.
func (q *List[T]) InitWith(link func(*T) *Link[T]) { q.setUp(double, link) }

// InitWith makes a zero STailQ that is part of another structure, as [NewSTailQ]
// does. A queue must not be copied.
func (q *STailQ[T]) InitWith(link func(*T) *Link[T]) { q.setUp(tailed, link) }

// InitWith makes a zero TailQ that is part of another structure, as [NewTailQ]
// does. A queue must not be copied.
func (q *TailQ[T]) InitWith(link func(*T) *Link[T]) { q.setUp(double|tailed, link) }

// Append moves the elements of src, in order, behind those of q. A reader of q
// that gets there sees them. Readers that are in src go on, into what is behind in
// q; and those that enter it by its old head still find its elements there, until
// src.Init. Before that, writing to src panics, and so does removing what was its
// first element. The writers of both queues are serialized, from Append to Init. It
// panics if the two queues use different Links of T.
//
// Cost: a walk over q and, unless q was empty, one over src, whose elements learn
// in which queue they are.
func (q *SList[T]) Append(src *SList[T]) { q.append(&src.queue) }

// Append is [SList.Append], at the same cost.
func (q *List[T]) Append(src *List[T]) { q.append(&src.queue) }

// Append is [SList.Append]. Cost: O(1) if q was empty; if not, a walk over src,
// whose elements learn in which queue they are.
func (q *STailQ[T]) Append(src *STailQ[T]) { q.append(&src.queue) }

// Append is [SList.Append], at the cost of [STailQ.Append].
func (q *TailQ[T]) Append(src *TailQ[T]) { q.append(&src.queue) }

// InsertTail inserts e behind the last element. It panics if e is in a queue.
func (q *STailQ[T]) InsertTail(e *T) { q.insertTail(e) }

// InsertTail inserts e behind the last element. It panics if e is in a queue.
func (q *TailQ[T]) InsertTail(e *T) { q.insertTail(e) }

// LastSerialized returns the last element to a writer, nil if there is none.
func (q *STailQ[T]) LastSerialized() *T { return q.lastSerialized() }

// LastSerialized returns the last element to a writer, nil if there is none.
func (q *TailQ[T]) LastSerialized() *T { return q.lastSerialized() }

// InsertTailRelaxed is InsertTail as [SList.InsertHeadRelaxed] is InsertHead.
func (q *STailQ[T]) InsertTailRelaxed(e *T) { q.insertTailRelaxed(e) }

// InsertTailRelaxed is InsertTail as [SList.InsertHeadRelaxed] is InsertHead.
func (q *TailQ[T]) InsertTailRelaxed(e *T) { q.insertTailRelaxed(e) }

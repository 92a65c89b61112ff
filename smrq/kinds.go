package smrq

// An SList has a head and forward links. It is the smallest. Remove and Replace walk to
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

// NewSList returns an empty SList. link is an accessor that returns the address of an
// element's Link, which is a field of T. NewSList calls it once, on a zero T, and panics if
// the result is not inside that T.
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

// InitWith is [NewSList] for a zero SList that is part of another structure. Call it before
// any other use. A queue must not be copied.
func (q *SList[T]) InitWith(link func(*T) *Link[T]) { q.setUp(0, link) }

// InitWith is [SList.InitWith] for a List.
func (q *List[T]) InitWith(link func(*T) *Link[T]) { q.setUp(double, link) }

// InitWith is [SList.InitWith] for an STailQ.
func (q *STailQ[T]) InitWith(link func(*T) *Link[T]) { q.setUp(tailed, link) }

// InitWith is [SList.InitWith] for a TailQ.
func (q *TailQ[T]) InitWith(link func(*T) *Link[T]) { q.setUp(double|tailed, link) }

// Append moves the elements of src, in order, to the end of q. Readers of q meet them
// there. Readers in src continue, into what follows in q. The head of src still leads to
// its former elements, until src.Init; before that, writing to src panics, and so does
// removing its former first element. The writers of both queues are serialized from Append
// to Init. Append panics if the two queues use different Links of T.
//
// Cost: a walk of q and, unless q was empty, one of src, to tell its elements which queue
// they are in.
func (q *SList[T]) Append(src *SList[T]) { q.append(&src.queue) }

// Append is [SList.Append], at the same cost.
func (q *List[T]) Append(src *List[T]) { q.append(&src.queue) }

// Append is [SList.Append]. Cost: O(1) if q was empty, else a walk of src, to tell its
// elements which queue they are in.
func (q *STailQ[T]) Append(src *STailQ[T]) { q.append(&src.queue) }

// Append is [SList.Append], at the cost of [STailQ.Append].
func (q *TailQ[T]) Append(src *TailQ[T]) { q.append(&src.queue) }

// InsertTail inserts e after the last element. It panics if e is in a queue.
func (q *STailQ[T]) InsertTail(e *T) { q.insertTail(e) }

// InsertTail inserts e after the last element. It panics if e is in a queue.
func (q *TailQ[T]) InsertTail(e *T) { q.insertTail(e) }

// LastSerialized returns the last element to a writer, or nil if the queue is empty.
func (q *STailQ[T]) LastSerialized() *T { return q.lastSerialized() }

// LastSerialized returns the last element to a writer, or nil if the queue is empty.
func (q *TailQ[T]) LastSerialized() *T { return q.lastSerialized() }

// InsertTailRelaxed is to InsertTail what [SList.InsertHeadRelaxed] is to InsertHead.
func (q *STailQ[T]) InsertTailRelaxed(e *T) { q.insertTailRelaxed(e) }

// InsertTailRelaxed is to InsertTail what [SList.InsertHeadRelaxed] is to InsertHead.
func (q *TailQ[T]) InsertTailRelaxed(e *T) { q.insertTailRelaxed(e) }

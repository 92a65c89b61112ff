package smrq

// An SList has a head and forward links. It is the smallest. Remove and Replace walk to the
// element; [Cursor.Erase] does not. Make one with [NewSList].
type SList[T any] struct{ queue[T] }

// A List has a head, and links in both directions. Make one with [NewList].
type List[T any] struct{ queue[T] }

// An STailQ has a head, a tail and forward links: a FIFO. Remove and Replace walk to the element;
// [Cursor.Erase] does not. Make one with [NewSTailQ].
type STailQ[T any] struct{ tailQueue[T] }

// A TailQ has a head, a tail, and links in both directions. Make one with [NewTailQ].
type TailQ[T any] struct{ tailQueue[T] }

// A tailQueue adds what only the kinds with a tail can do.
type tailQueue[T any] struct{ queue[T] }

// NewSList returns an empty SList. link is the accessor of an element's Link: it returns the
// address of that field of T. NewSList calls it once, on a zero T, and panics if the result is not
// inside that T.
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

// InitWith is [NewSList] for a zero SList that is part of another structure. Call it before any
// other use. Do not copy a queue.
func (q *SList[T]) InitWith(link func(*T) *Link[T]) { q.setUp(0, link) }

// InitWith is [SList.InitWith] for a List.
func (q *List[T]) InitWith(link func(*T) *Link[T]) { q.setUp(double, link) }

// InitWith is [SList.InitWith] for an STailQ.
func (q *STailQ[T]) InitWith(link func(*T) *Link[T]) { q.setUp(tailed, link) }

// InitWith is [SList.InitWith] for a TailQ.
func (q *TailQ[T]) InitWith(link func(*T) *Link[T]) { q.setUp(double|tailed, link) }

// Append moves the elements of src, in order, to the end of q. Readers in src continue into what
// follows in q. The head of src leads to its former elements until src.Init; before that, writing
// to src panics, and so does removing its former first element, unless src.Unpublish says that no
// new reader comes by that head. Serialize the writers of both queues from Append to Init or
// Unpublish, and those of each queue to which Append or Split moves the element meanwhile. Append
// panics if the two queues use different Links of T.
//
// Cost: a walk of q and, unless q was empty, two of src, to check its elements and to tell them
// which queue they are in.
func (q *SList[T]) Append(src *SList[T]) { q.append(&src.queue) }

// Append is [SList.Append], at the same cost.
func (q *List[T]) Append(src *List[T]) { q.append(&src.queue) }

// Append is [SList.Append]. Cost: O(1) if q was empty, else two walks of src.
func (q *STailQ[T]) Append(src *STailQ[T]) { q.append(&src.queue) }

// Append is [SList.Append], at the cost of [STailQ.Append].
func (q *TailQ[T]) Append(src *TailQ[T]) { q.append(&src.queue) }

// Split begins to move the elements for which pick returns true, in their order, from q to into, which
// must be empty. [Split.Step] does the rest; until it is done, writing to either queue panics. Readers
// come by into for what was picked as soon as they are sent there, and may still come by q for it
// until the first Step. pick is called once for each element, and must neither use the queues nor
// panic. Serialize the writers of both queues; if Append moved another queue to q, also its Init or
// Unpublish, which must come before the first Step. Split panics if the two queues use different
// Links of T.
//
// Cost: two walks of q.
func (q *SList[T]) Split(into *SList[T], pick func(*T) bool) Split[T] {
	return q.split(&into.queue, pick)
}

// Split is [SList.Split].
func (q *List[T]) Split(into *List[T], pick func(*T) bool) Split[T] {
	return q.split(&into.queue, pick)
}

// Split is [SList.Split].
func (q *STailQ[T]) Split(into *STailQ[T], pick func(*T) bool) Split[T] {
	return q.split(&into.queue, pick)
}

// Split is [SList.Split].
func (q *TailQ[T]) Split(into *TailQ[T], pick func(*T) bool) Split[T] {
	return q.split(&into.queue, pick)
}

// InsertTail inserts e after the last element. It panics if e is in a queue.
func (q *tailQueue[T]) InsertTail(e *T) {
	const op = "InsertTail"
	q.writing(op)
	q.insert(op, q.tail, e, true)
}

// InsertTailRelaxed is to InsertTail what [SList.InsertHeadRelaxed] is to InsertHead.
func (q *tailQueue[T]) InsertTailRelaxed(e *T) { q.insert("InsertTailRelaxed", q.tail, e, false) }

// LastSerialized returns the last element to a writer, or nil if the queue is empty.
func (q *tailQueue[T]) LastSerialized() *T {
	const op = "LastSerialized"
	q.writing(op)
	q.checkReady(op)
	return q.elem(q.tail)
}

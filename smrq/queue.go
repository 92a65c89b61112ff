package smrq

import (
	"iter"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// A queue is what the four kinds have in common, which is all but whether there
// are back links and a tail. Each operation asks for that where it matters: a
// predictable branch, and one piece of code to trust.
type queue[T any] struct {
	//lint:ignore U1000 it is used under -tags invariants
	queueDebug

	// head is the first element. Written by writers, read by readers, as next is.
	head smr.Pointer[Link[T]]

	// The writers' own.

	tail *Link[T] // the last element, if the kind has a tail; nil when empty
	id   uint64   // what its elements have as owner; 0 before and after use

	// Constant once the queue is made.

	off  uint32 // of the Link in its element
	kind kind
}

// A kind is which of the four a queue is.
type kind uint8

const (
	made   kind = 1 << iota // the queue has been constructed
	double                  // elements know their predecessor
	tailed                  // the queue knows its last element
)

func (k kind) String() string {
	switch k {
	case made:
		return "SList"
	case made | double:
		return "List"
	case made | tailed:
		return "STailQ"
	case made | double | tailed:
		return "TailQ"
	}
	return "queue"
}

func (q *queue[T]) setUp(k kind, link func(*T) *Link[T]) {
	if q.kind != 0 {
		q.broken("InitWith", nil, "it was made before")
	}
	q.off = offset(link)
	q.kind = made | k
	q.Init()
}

// Init makes the queue empty and ready for use: after [SList.Append] took its
// elements, when the writers of both queues are serialized; or to drop all of them
// together. Elements that are dropped are not touched: readers go on among them,
// and one that is to be inserted again needs a zero Link, after a grace period.
// Readers may be in the queue; writers are serialized.
func (q *queue[T]) Init() {
	if q.kind&made == 0 {
		panic("smrq: Init of a queue that was never made: use its constructor, or InitWith")
	}
	q.writing("Init")
	if first := q.head.LoadSerialized(); q.id == 0 && first != nil {
		if first.owner < oneLoan {
			q.broken("Init", first, "its Link was overwritten since Append")
		}
		first.owner -= oneLoan
	}
	q.tail = nil
	q.id = ids.Add(1)
	q.head.Clear()
}

// Empty reports whether the queue is empty now: whether a reader that enters would
// find nothing. It needs neither a section nor a lock.
func (q *queue[T]) Empty() bool { return q.head.LoadUnsafe() == 0 }

// First returns the first element, nil if there is none, to a reader in section s.
// Cost: one load.
func (q *queue[T]) First(s smr.Section) *T { return q.elem(q.head.Load(s)) }

// Next returns the element after e, nil if there is none, to a reader that found e
// in section s. e may have been removed since; it is not nil. Cost: one load.
func (q *queue[T]) Next(s smr.Section, e *T) *T { return q.elem(q.link(e).next.Load(s)) }

// All walks the queue for a reader in section s, which must stay open meanwhile.
// See the package comment for what it sees of changes. Right in a range statement
// it compiles to the loop that one would write by hand, and allocates nothing;
// handed on as a value it is a closure like any other.
func (q *queue[T]) All(s smr.Section) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		off := uintptr(q.off) // loaded once
		for l := q.head.Load(s); l != nil; l = l.next.Load(s) {
			if !yield((*T)(unsafe.Add(unsafe.Pointer(l), -off))) {
				return
			}
		}
	}
}

// link returns the Link of e, which is not nil.
func (q *queue[T]) link(e *T) *Link[T] { return (*Link[T])(unsafe.Add(unsafe.Pointer(e), q.off)) }

// elem returns the element that l is the Link of, nil for nil.
func (q *queue[T]) elem(l *Link[T]) *T {
	if l == nil {
		return nil
	}
	return (*T)(unsafe.Add(unsafe.Pointer(l), -uintptr(q.off)))
}

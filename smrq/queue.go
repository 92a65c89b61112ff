package smrq

import (
	"iter"
	"unsafe"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// A queue is the code of all four kinds. Where back links and the tail matter, it tests the kind: a
// predictable branch, and one piece of code to trust.
type queue[T any] struct {
	//lint:ignore U1000 it is used under -tags invariants
	queueDebug

	// head is the first element. Written by writers, read by readers, as next is.
	head smr.Pointer[Link[T]]

	// Only writers use these two.
	tail *Link[T] // the last element, if the kind has a tail; nil when empty
	id   uint64   // the owner of its elements; 0 before InitWith, and from Append to Init

	// Constant once the queue is made.
	off  uint32 // of the Link in its element
	kind kind

	// Only writers use these two.
	state state
	loans bool // its elements may have loans: since Init, Append brought some
}

// A kind tells which of the four a queue is.
type kind uint8

const (
	double kind = 1 << iota // elements know their predecessor
	tailed                  // the queue knows its last element
)

// String returns the name of the queue's type.
func (k kind) String() string {
	switch k {
	case double:
		return "List"
	case tailed:
		return "STailQ"
	case double | tailed:
		return "TailQ"
	}
	return "SList"
}

// A state tells what a writer may do with a queue:
//
//	unmade ─InitWith─▶ ready ─Append, as source─▶ lending ─Unpublish─▶ unpublished
//	                   ▲ │ ▲                         │                    │
//	                   │ │ └───────── Init ──────────┴────────────────────┘
//	                   │ └─ Split ─▶ splitting ─Step─▶ stepping ─┐
//	                   └────────────────── last Step ────────────┘
type state uint8

const (
	unmade      state = iota
	ready             // for everything
	lending           // its head leads to elements of another queue, and the first has a loan for it
	unpublished       // the same without the loan
	splitting         // its elements and another queue's are one chain
	stepping          // the same, and a Split is at work to part them
)

// setUp is InitWith for a queue of kind k.
func (q *queue[T]) setUp(k kind, link func(*T) *Link[T]) {
	if q.state != unmade {
		q.broken("InitWith", nil, "it was made before")
	}
	q.off = offset(link)
	q.kind = k
	q.state = ready
	q.Init()
}

// Init empties the queue: to use it again after [SList.Append] took its elements, or to drop all
// elements at once. It does not write to dropped elements: readers continue among them. Before you
// insert one again, wait for a grace period and zero its Link. Serialize Init with the writers,
// after Append with those of both queues; readers may be in the queue.
//
// Init panics if the head of a queue that was appended still leads to an element: new readers would
// find it after that grace period. Call Unpublish or Init of that queue first. Cost: O(1), or a walk if
// Append has brought elements since the last Init.
func (q *queue[T]) Init() {
	const op = "Init"
	q.writing(op)
	if q.state == unmade || q.state == splitting || q.state == stepping {
		q.notReady(op)
	}
	if q.state == ready && q.loans {
		q.checkNoLoans(op)
	}
	q.endLoan(op)
	q.tail = nil
	q.loans = false
	q.id = ids.Add(1)
	q.state = ready
	q.show()
	q.head.Clear()
}

// Empty reports whether the queue is empty at the moment. It needs no section and no lock.
func (q *queue[T]) Empty() bool { return q.head.LoadUnsafe() == 0 }

// First returns the first element to a reader in section s, or nil. Cost: one load.
func (q *queue[T]) First(s smr.Section) *T {
	if invariants.Enabled {
		q.arriving("First")
	}
	return q.elem(q.head.Load(s))
}

// Next returns the element after e to a reader that found e in section s, or nil if e is the last.
// e may have been removed since; it must not be nil. Cost: one load.
func (q *queue[T]) Next(s smr.Section, e *T) *T { return q.elem(q.link(e).next.Load(s)) }

// All walks the queue for a reader in section s, which must stay open during the walk. The package
// doc says which concurrent changes it sees. Directly in a range statement it compiles to a plain
// loop and allocates nothing; as a value it is a closure.
func (q *queue[T]) All(s smr.Section) iter.Seq[*T] {
	return func(yield func(*T) bool) {
		if invariants.Enabled {
			q.arriving("All")
		}
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

// elem returns the element whose Link is l, nil for nil.
func (q *queue[T]) elem(l *Link[T]) *T {
	if l == nil {
		return nil
	}
	return (*T)(unsafe.Add(unsafe.Pointer(l), -uintptr(q.off)))
}

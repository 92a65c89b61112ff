package smrq

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/smr"
)

// A Link is the part of an element by which a queue holds it. The zero Link is in
// no queue. An element may have several, each for another queue.
//
// An element in a queue must not be copied or overwritten, because its Link must
// not be. To let go of what a removed element leads to, zero its Link, but not
// before the grace period after its removal. With -tags invariants a Link remembers
// the smr domain of its first reader: zero it, too, before the element goes to a
// queue of another domain.
type Link[T any] struct {
	// next leads readers on. Written by the queue's writers, with release where
	// it publishes an element; read by readers (acquire). It stays as it is when
	// the element is removed.
	next smr.Pointer[Link[T]]

	// prev is the element before, nil in the first one and where there are no
	// back links. owner is the id of the queue that the element is in, 0 for none,
	// plus oneLoan for each appended queue whose head still leads here. Both are
	// read and written by the queue's writers only.
	prev  *Link[T]
	owner uint64
}

// oneLoan counts, above the id, the queues that were appended, have not had their
// Init yet, and whose head is this element: it can't be removed before, or those who
// enter by that head would find it when it is freed.
const (
	oneLoan = 1 << 56
	idMask  = oneLoan - 1
)

// Linked reports whether the element is in a queue, or was in one that Init
// emptied. Only a writer of that queue may ask.
func (l *Link[T]) Linked() bool { return l.owner != 0 }

// ids numbers the queues. A number is never used again, so that an element that
// is left over from one queue is not taken for another's.
var ids satomic.Uint64

// offset returns where in a T the Link is that the accessor returns.
func offset[T any](link func(*T) *Link[T]) uint32 {
	probe := new(T)
	off := uintptr(unsafe.Pointer(link(probe))) - uintptr(unsafe.Pointer(probe))
	if room := unsafe.Sizeof(*probe); off >= room || room-off < unsafe.Sizeof(Link[T]{}) || off > math.MaxUint32 {
		panic(fmt.Sprintf("smrq: the accessor must return the address of a Link that is a field of the %v itself", reflect.TypeFor[T]()))
	}
	return uint32(off)
}

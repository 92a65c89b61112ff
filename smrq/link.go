package smrq

import (
	"fmt"
	"math"
	"reflect"
	"unsafe"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/smr"
)

// A Link is the field of an element by which a queue links it. The zero Link is in no queue. An
// element may have several Links, each for another queue.
//
// Do not copy or overwrite an element that is in a queue: that would copy or overwrite its Link. A
// removed element keeps its successor alive until its Link is zeroed, which must wait for a grace
// period. Under -tags invariants a Link remembers the smr domain of its first reader: zero it also
// before the element goes into a queue of another domain.
type Link[T any] struct {
	// next is the next element. Written by the queue's writers, with release where it publishes an
	// element; read by readers (acquire). Removing the element leaves it unchanged.
	next smr.Pointer[Link[T]]

	// prev is the element before; nil in the first one, and where there are no back links. owner is
	// the id of the element's queue, 0 for none, plus oneLoan for each appended queue whose head
	// still leads new readers here. Only the queue's writers read and write the two, and Init and
	// Unpublish of those appended queues: the lock that serializes them orders all that.
	prev  *Link[T]
	owner uint64
}

// The bits of an owner above the id count the queues whose head still leads new readers to the
// element: they were appended, and since then neither Init nor Unpublish was called. The element
// can't be removed before: a reader that enters by such a head would find it after it is freed.
const (
	oneLoan  = 1 << 56
	idMask   = oneLoan - 1
	maxLoans = 1<<8 - 1 // Append refuses one more
)

// Linked reports whether the element is in a queue, or was in one when Init emptied it. Only a
// writer of that queue may call it.
func (l *Link[T]) Linked() bool { return l.owner != 0 }

// ids is the last id given out. Ids are not reused, so an element left over from one queue is not
// mistaken for an element of another.
var ids satomic.Uint64

// offset returns the offset in T of the Link that the accessor returns.
func offset[T any](link func(*T) *Link[T]) uint32 {
	probe := new(T)
	off := uintptr(unsafe.Pointer(link(probe))) - uintptr(unsafe.Pointer(probe))
	if room := unsafe.Sizeof(*probe); off >= room || room-off < unsafe.Sizeof(Link[T]{}) || off > math.MaxUint32 {
		panic(fmt.Sprintf("smrq: the accessor must return the address of a Link that is a field of the %v itself", reflect.TypeFor[T]()))
	}
	return uint32(off)
}

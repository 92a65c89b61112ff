//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable && !smr_sched

package relacq

import (
	"sync/atomic"
	"unsafe"
)

// Plain tells whether Store is a plain MOV: a release, but not ordered before a later load. Where
// it is false every operation is sequentially consistent.
const Plain = true

// A Uint64 is a 64-bit word with one writer at a time and any number of readers. Load is an acquire
// load; the other methods are full fences, except the stores.
type Uint64 struct{ atomic.Uint64 }

// Store is a release store.
func (x *Uint64) Store(v uint64) { *(*uint64)(unsafe.Pointer(&x.Uint64)) = v }

// StoreGuarded stores a word that another word guards: a reader that relies on the value is ordered
// by the other word, and any other reader only checks for misuse.
func (x *Uint64) StoreGuarded(v uint64) { *(*uint64)(unsafe.Pointer(&x.Uint64)) = v }

// A Pointer is a pointer with one writer at a time and any number of readers. Its methods order as
// those of Uint64.
type Pointer[T any] struct{ atomic.Pointer[T] }

// Store is a release store, with the collector's write barrier.
func (x *Pointer[T]) Store(p *T) { *(**T)(unsafe.Pointer(&x.Pointer)) = p }

// Fence orders every earlier store of this goroutine before every later load.
func Fence() {
	var word uint32
	atomic.AddUint32(&word, 1)
}

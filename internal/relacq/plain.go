//go:build linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable

package relacq

import (
	"sync/atomic"
	"unsafe"
)

// Plain tells whether Store is a plain MOV: released, but not ordered before a
// later load. Where it is false every operation is sequentially consistent.
const Plain = true

// A Uint64 is a 64-bit word with one writer at a time and any number of readers.
type Uint64 struct{ v atomic.Uint64 }

// Load is an acquire load.
func (x *Uint64) Load() uint64 { return x.v.Load() }

// Store is a release store.
func (x *Uint64) Store(v uint64) { *(*uint64)(unsafe.Pointer(&x.v)) = v }

// StoreGuarded is a store for a word that is guarded by another: whoever may
// rely on the value is ordered by that other word, and whoever is not only
// looks for misuse.
func (x *Uint64) StoreGuarded(v uint64) { x.Store(v) }

// CompareAndSwap is a full fence, as in sync/atomic.
func (x *Uint64) CompareAndSwap(old, new uint64) bool { return x.v.CompareAndSwap(old, new) }

// Add adds atomically and is a full fence.
func (x *Uint64) Add(delta uint64) uint64 { return x.v.Add(delta) }

// A Pointer is a pointer with one writer at a time and any number of readers.
type Pointer[T any] struct{ v atomic.Pointer[T] }

// Load is an acquire load.
func (x *Pointer[T]) Load() *T { return x.v.Load() }

// Store is a release store, with the collector's write barrier.
func (x *Pointer[T]) Store(p *T) { *(**T)(unsafe.Pointer(&x.v)) = p }

// CompareAndSwap is a full fence, as in sync/atomic.
func (x *Pointer[T]) CompareAndSwap(old, new *T) bool { return x.v.CompareAndSwap(old, new) }

// Swap is a full fence, as in sync/atomic.
func (x *Pointer[T]) Swap(new *T) *T { return x.v.Swap(new) }

// Fence orders every earlier store of this goroutine before every later load.
func Fence() {
	var word uint32
	atomic.AddUint32(&word, 1)
}

//go:build smr_sched && !smr_portable

package relacq

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// Plain tells whether Store is a plain MOV: it is, as far as the scheduler can imitate one.
const Plain = true

// A Uint64 is a 64-bit word with one writer at a time and any number of readers.
type Uint64 struct{ satomic.Uint64 }

// Load is an acquire load.
func (x *Uint64) Load() uint64 {
	if _, v, ok := sched.Load(unsafe.Pointer(x)); ok {
		return v
	}
	return x.Uint64.Now()
}

// Store is a release store.
func (x *Uint64) Store(v uint64) {
	sched.Store(unsafe.Pointer(x), nil, v, func() { x.Uint64.Set(v) })
}

// StorePrivate is a plain store to memory that no other goroutine can reach yet, or any more.
func (x *Uint64) StorePrivate(v uint64) {
	sched.StorePrivate(unsafe.Pointer(x), nil, v, func() { x.Uint64.Set(v) })
}

// StoreGuarded stores a word that another word guards.
func (x *Uint64) StoreGuarded(v uint64) { x.Store(v) }

// A Pointer is a pointer with one writer at a time and any number of readers.
type Pointer[T any] struct{ satomic.Pointer[T] }

// Load is an acquire load.
func (x *Pointer[T]) Load() *T {
	if p, _, ok := sched.Load(unsafe.Pointer(x)); ok {
		return (*T)(p)
	}
	return x.Pointer.Now()
}

// Store is a release store.
func (x *Pointer[T]) Store(p *T) {
	sched.Store(unsafe.Pointer(x), unsafe.Pointer(p), 0, func() { x.Pointer.Set(p) })
}

// StorePrivate is that of Uint64.
func (x *Pointer[T]) StorePrivate(p *T) {
	sched.StorePrivate(unsafe.Pointer(x), unsafe.Pointer(p), 0, func() { x.Pointer.Set(p) })
}

// Fence orders every earlier store of this goroutine before every later load.
func Fence() { sched.Locked("fence", nil) }

//go:build smr_sched

// Package atomic is sync/atomic, each operation a point of package sched's. But for
// loads they drain the store buffer.
package atomic

import (
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
)

// A Bool is an [atomic.Bool].
type Bool struct{ v atomic.Bool }

func (x *Bool) Load() bool {
	sched.Load(unsafe.Pointer(x))
	return x.v.Load()
}

func (x *Bool) Store(v bool) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.v.Store(v)
}

func (x *Bool) Swap(v bool) bool {
	sched.Locked("swap", unsafe.Pointer(x))
	return x.v.Swap(v)
}

func (x *Bool) CompareAndSwap(old, v bool) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return x.v.CompareAndSwap(old, v)
}

// An Int32 is an [atomic.Int32].
type Int32 struct{ v atomic.Int32 }

func (x *Int32) Load() int32 {
	sched.Load(unsafe.Pointer(x))
	return x.v.Load()
}

func (x *Int32) Store(v int32) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.v.Store(v)
}

func (x *Int32) Swap(v int32) int32 {
	sched.Locked("swap", unsafe.Pointer(x))
	return x.v.Swap(v)
}

func (x *Int32) CompareAndSwap(old, v int32) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return x.v.CompareAndSwap(old, v)
}

func (x *Int32) Add(delta int32) int32 {
	sched.Locked("add", unsafe.Pointer(x))
	return x.v.Add(delta)
}

func (x *Int32) And(mask int32) int32 {
	sched.Locked("and", unsafe.Pointer(x))
	return x.v.And(mask)
}

func (x *Int32) Or(mask int32) int32 {
	sched.Locked("or", unsafe.Pointer(x))
	return x.v.Or(mask)
}

// An Int64 is an [atomic.Int64].
type Int64 struct{ v atomic.Int64 }

func (x *Int64) Load() int64 {
	sched.Load(unsafe.Pointer(x))
	return x.v.Load()
}

func (x *Int64) Store(v int64) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.v.Store(v)
}

func (x *Int64) Swap(v int64) int64 {
	sched.Locked("swap", unsafe.Pointer(x))
	return x.v.Swap(v)
}

func (x *Int64) CompareAndSwap(old, v int64) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return x.v.CompareAndSwap(old, v)
}

func (x *Int64) Add(delta int64) int64 {
	sched.Locked("add", unsafe.Pointer(x))
	return x.v.Add(delta)
}

func (x *Int64) And(mask int64) int64 {
	sched.Locked("and", unsafe.Pointer(x))
	return x.v.And(mask)
}

func (x *Int64) Or(mask int64) int64 {
	sched.Locked("or", unsafe.Pointer(x))
	return x.v.Or(mask)
}

// A Uint32 is an [atomic.Uint32].
type Uint32 struct{ v atomic.Uint32 }

func (x *Uint32) Load() uint32 {
	sched.Load(unsafe.Pointer(x))
	return x.v.Load()
}

func (x *Uint32) Store(v uint32) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.v.Store(v)
}

func (x *Uint32) Swap(v uint32) uint32 {
	sched.Locked("swap", unsafe.Pointer(x))
	return x.v.Swap(v)
}

func (x *Uint32) CompareAndSwap(old, v uint32) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return x.v.CompareAndSwap(old, v)
}

func (x *Uint32) Add(delta uint32) uint32 {
	sched.Locked("add", unsafe.Pointer(x))
	return x.v.Add(delta)
}

func (x *Uint32) And(mask uint32) uint32 {
	sched.Locked("and", unsafe.Pointer(x))
	return x.v.And(mask)
}

func (x *Uint32) Or(mask uint32) uint32 {
	sched.Locked("or", unsafe.Pointer(x))
	return x.v.Or(mask)
}

// A Uint64 is an [atomic.Uint64].
type Uint64 struct{ v atomic.Uint64 }

func (x *Uint64) Load() uint64 {
	sched.Load(unsafe.Pointer(x))
	return x.v.Load()
}

func (x *Uint64) Store(v uint64) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.v.Store(v)
}

func (x *Uint64) Swap(v uint64) uint64 {
	sched.Locked("swap", unsafe.Pointer(x))
	return x.v.Swap(v)
}

func (x *Uint64) CompareAndSwap(old, v uint64) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return x.v.CompareAndSwap(old, v)
}

func (x *Uint64) Add(delta uint64) uint64 {
	sched.Locked("add", unsafe.Pointer(x))
	return x.v.Add(delta)
}

func (x *Uint64) And(mask uint64) uint64 {
	sched.Locked("and", unsafe.Pointer(x))
	return x.v.And(mask)
}

func (x *Uint64) Or(mask uint64) uint64 {
	sched.Locked("or", unsafe.Pointer(x))
	return x.v.Or(mask)
}

// A Pointer is an [atomic.Pointer].
type Pointer[T any] struct{ v atomic.Pointer[T] }

func (x *Pointer[T]) Load() *T {
	sched.Load(unsafe.Pointer(x))
	return x.v.Load()
}

func (x *Pointer[T]) Store(v *T) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.v.Store(v)
}

func (x *Pointer[T]) Swap(v *T) *T {
	sched.Locked("swap", unsafe.Pointer(x))
	return x.v.Swap(v)
}

func (x *Pointer[T]) CompareAndSwap(old, v *T) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return x.v.CompareAndSwap(old, v)
}

// Now returns the word, at no point of its own: for package relacq.
func (x *Uint64) Now() uint64 { return x.v.Load() }

// Set sets the word, at no point of its own: for package relacq.
func (x *Uint64) Set(v uint64) { x.v.Store(v) }

// Now returns the word, at no point of its own: for package relacq.
func (x *Pointer[T]) Now() *T { return x.v.Load() }

// Set sets the word, at no point of its own: for package relacq.
func (x *Pointer[T]) Set(p *T) { x.v.Store(p) }

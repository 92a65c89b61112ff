//go:build smr_sched

// Package atomic is sync/atomic with a point of package sched's in each operation. All but loads
// drain the store buffer.
package atomic

import (
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
)

type (
	Bool           = word[bool, atomic.Bool, *atomic.Bool]
	Int32          = integer[int32, atomic.Int32, *atomic.Int32]
	Int64          = integer[int64, atomic.Int64, *atomic.Int64]
	Uint32         = integer[uint32, atomic.Uint32, *atomic.Uint32]
	Uint64         = integer[uint64, atomic.Uint64, *atomic.Uint64]
	Pointer[T any] = word[*T, atomic.Pointer[T], *atomic.Pointer[T]]
)

// atomically is what all types of sync/atomic can do; A is the type.
type atomically[T, A any] interface {
	*A
	Load() T
	Store(T)
	Swap(T) T
	CompareAndSwap(old, new T) bool
}

// A word holds a T.
type word[T, A any, P atomically[T, A]] struct{ v A }

func (x *word[T, A, P]) Load() T {
	sched.Load(unsafe.Pointer(x))
	return x.Now()
}

func (x *word[T, A, P]) Store(v T) {
	sched.Locked("xchg", unsafe.Pointer(x))
	x.Set(v)
}

func (x *word[T, A, P]) Swap(v T) T {
	sched.Locked("swap", unsafe.Pointer(x))
	return P(&x.v).Swap(v)
}

func (x *word[T, A, P]) CompareAndSwap(old, v T) bool {
	sched.Locked("cas", unsafe.Pointer(x))
	return P(&x.v).CompareAndSwap(old, v)
}

// Now returns the word without a point: for package relacq.
func (x *word[T, A, P]) Now() T { return P(&x.v).Load() }

// Set sets the word without a point: for package relacq.
func (x *word[T, A, P]) Set(v T) { P(&x.v).Store(v) }

// arithmetic is what integers of sync/atomic can do in addition.
type arithmetic[T, A any] interface {
	atomically[T, A]
	Add(T) T
	And(T) T
	Or(T) T
}

// An integer is a word with arithmetic.
type integer[T, A any, P arithmetic[T, A]] struct{ word[T, A, P] }

func (x *integer[T, A, P]) Add(delta T) T {
	sched.Locked("add", unsafe.Pointer(x))
	return P(&x.v).Add(delta)
}

func (x *integer[T, A, P]) And(mask T) T {
	sched.Locked("and", unsafe.Pointer(x))
	return P(&x.v).And(mask)
}

func (x *integer[T, A, P]) Or(mask T) T {
	sched.Locked("or", unsafe.Pointer(x))
	return P(&x.v).Or(mask)
}

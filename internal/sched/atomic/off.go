//go:build !smr_sched

// Package atomic is sync/atomic, except in a build with -tags smr_sched, where each operation is a
// point of package sched's. Import it as satomic, and package sync beside it as ssync, so that
// neither is mistaken for Go's.
package atomic

import "sync/atomic"

type (
	Bool           = atomic.Bool
	Int32          = atomic.Int32
	Int64          = atomic.Int64
	Uint32         = atomic.Uint32
	Uint64         = atomic.Uint64
	Pointer[T any] = atomic.Pointer[T]
)

// A package that imports this one but not sync/atomic can inline a method of these types only if
// something here inlines it; otherwise a section pays for a call. TestMethods_Inline checks that
// none is missing. (Pointer is generic, and so compiled where it is used.)
var _ = func() {
	var b Bool
	b.Store(b.Load())
	b.Swap(b.CompareAndSwap(true, true))
	var i32 Int32
	i32.Store(i32.Load())
	i32.Swap(i32.Add(1))
	i32.CompareAndSwap(i32.And(1), i32.Or(1))
	var i64 Int64
	i64.Store(i64.Load())
	i64.Swap(i64.Add(1))
	i64.CompareAndSwap(i64.And(1), i64.Or(1))
	var u32 Uint32
	u32.Store(u32.Load())
	u32.Swap(u32.Add(1))
	u32.CompareAndSwap(u32.And(1), u32.Or(1))
	var u64 Uint64
	u64.Store(u64.Load())
	u64.Swap(u64.Add(1))
	u64.CompareAndSwap(u64.And(1), u64.Or(1))
}

//go:build !smr_sched || smr_portable

package relacq

import "unsafe"

// StorePrivate is a plain store, in every build, to memory that no other goroutine can reach yet,
// or any more. Publishing the memory orders it. Where nothing does, the race detector reports it.
func (x *Uint64) StorePrivate(v uint64) { *(*uint64)(unsafe.Pointer(&x.Uint64)) = v }

// StorePrivate is that of Uint64.
func (x *Pointer[T]) StorePrivate(p *T) { *(**T)(unsafe.Pointer(&x.Pointer)) = p }

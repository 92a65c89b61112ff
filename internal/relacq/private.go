//go:build !smr_sched || smr_portable

package relacq

import "unsafe"

// StorePrivate is a plain store, in every build: for memory that no other
// goroutine can reach yet, or any more. What publishes the memory orders it. The
// race detector reports it where that is not so.
func (x *Pointer[T]) StorePrivate(p *T) { *(**T)(unsafe.Pointer(&x.Pointer)) = p }

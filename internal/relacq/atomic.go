//go:build !(linux && amd64 && gc && go1.25 && !go1.28 && !race && !smr_portable) && (!smr_sched || smr_portable)

package relacq

import satomic "github.com/gosmr/gosmr/internal/sched/atomic"

// Plain tells whether Store is a plain MOV: a release, but not ordered before a later load. Where
// it is false every operation is sequentially consistent.
const Plain = false

// A Uint64 is a 64-bit word with one writer at a time and any number of readers.
type Uint64 struct{ satomic.Uint64 }

// A Pointer is a pointer with one writer at a time and any number of readers.
type Pointer[T any] struct{ satomic.Pointer[T] }

// Fence orders every earlier store of this goroutine before every later load. Here each Store has
// done so already.
func Fence() {}

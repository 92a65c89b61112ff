//go:build gc && go1.25 && !go1.28 && !smr_portable && !smr_sched

package pcpu

import _ "unsafe" // for go:linkname

// Exclusive says whether a goroutine has its processor to itself between Pin and Unpin.
const Exclusive = true

// Pin keeps the calling goroutine on its processor until the matching [Unpin], and returns the
// processor's number, from 0 to GOMAXPROCS-1. Pins nest.
//
// A pinned goroutine must not block, nor panic past its Unpin: the runtime ends the process
// ("schedule: holding locks"). It may allocate, start goroutines and use channels without blocking.
//
// Where [Exclusive] is false Pin holds nothing and returns a non-negative hint.
func Pin() int { return procPin() }

// Unpin undoes one [Pin].
func Unpin() { procUnpin() }

// The runtime keeps these two for packages outside it ("do not remove or change the type
// signature", go.dev/issue/67401). The build constraint above names the releases that this file was
// tested with.

//go:linkname procPin runtime.procPin
func procPin() int

//go:linkname procUnpin runtime.procUnpin
func procUnpin()

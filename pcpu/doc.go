// Package pcpu answers "which processor am I on" and keeps one slot of data
// per processor.
//
// A processor here is a P of the Go scheduler: there are GOMAXPROCS of them,
// and at most one goroutine runs on each at any time. A goroutine that calls
// [Pin] stays on its P, undisturbed by the scheduler, until [Unpin], so between
// the two it may change that processor's slot without a lock and without an
// atomic instruction:
//
//	id := pcpu.Pin()
//	if s := slots.At(id); s != nil {
//		s.n.Store(s.n.Load() + 1) // nobody else can be here
//	}
//	pcpu.Unpin()
//
// (The two are sync/atomic operations, or internal/relacq's, for those who read
// from elsewhere and for the race detector, which does not know that goroutines
// on one processor follow one another.)
//
// # Two builds
//
// [Exclusive] tells which of the two a program got.
//
// With Exclusive true, Pin is the runtime's own procPin, reached by linkname:
// about a nanosecond. It is used only with the gc compiler and the Go releases
// it was tested with.
//
// With Exclusive false (any other toolchain, or -tags smr_portable), Pin holds
// nothing: it returns a hash of the goroutine's stack address, a good hint for
// spreading goroutines over stripes and no more. Two goroutines may hold the
// same id at once, so whoever changes a slot must take it with an atomic
// operation, and try another stripe when it is taken.
//
// # Growing and shrinking
//
// GOMAXPROCS may change while the program runs; since Go 1.25 the runtime does
// so by itself in containers. [Slots] grows when an id beyond its end shows up.
// It never shrinks, so nothing kept in the slot of a vanished processor is lost:
// whoever collects from all slots visits that one too.
//
// The idea of pinning for per-processor data is the kernel's (preempt_disable
// and per-CPU variables); in Go, sync.Pool works this way.
package pcpu

// Package pcpu tells a goroutine which processor it is on, and keeps one slot of data for each
// processor. Its API may change.
//
// A processor here is a P of the Go scheduler: there are GOMAXPROCS of them, and each runs at most
// one goroutine at a time. A goroutine that calls [Pin] stays on its P until [Unpin], and the
// scheduler runs no other there. In between it may change that processor's slot without a lock and
// without an atomic instruction:
//
//	id := pcpu.Pin()
//	if s := slots.At(id); s != nil {
//		s.n.Store(s.n.Load() + 1) // no other goroutine can be here
//	}
//	pcpu.Unpin()
//
// (Load and Store are those of sync/atomic or internal/relacq: goroutines elsewhere read the word
// too, and the race detector does not know that goroutines on one processor take turns.)
//
// # Two builds
//
// With [Exclusive] true, Pin is the runtime's own procPin, reached by linkname, and costs about a
// nanosecond. This build needs the gc compiler and a Go release that it was tested with.
//
// With Exclusive false (any other toolchain, or -tags smr_portable), Pin holds nothing. It returns
// a hash of the goroutine's stack address, which spreads goroutines over stripes. Two goroutines
// may get the same id at once, so claim a slot with an atomic operation before you change it, and
// try another stripe if it is taken.
//
// # Growing and shrinking
//
// GOMAXPROCS may change while the program runs; since Go 1.25 the runtime changes it by itself in
// containers. [Slots] grows when Pin returns an id beyond its end. It never shrinks: [Slots.All]
// includes the slots of processors that are gone, so what they hold is not lost.
//
// Pinning for per-processor data is the kernel's idea (preempt_disable and per-CPU variables); in
// Go, sync.Pool works this way.
package pcpu

// Package smr is safe memory reclamation: readers walk shared structures without locks, a writer
// unlinks an object and hands it to [Call], and the object is freed, unmapped, closed or reused
// once no reader can still hold it.
//
// Go's collector does this for objects on the Go heap, but not for memory that it does not own
// (mmaps, off-heap slabs, C memory), for files, or for pooled buffers. Nor does it tell a writer
// when every reader has seen an update. This package does both.
//
//	var config smr.Pointer[mapping] // readers follow it, one writer changes it
//	dom := smr.Default()
//
//	// A reader, any number of them at once:
//	s := dom.Enter()
//	m := config.Load(s)
//	use(m.data)        // stays mapped until Leave
//	s.Leave()
//
//	// The writer, holding its lock:
//	old := config.LoadSerialized()
//	config.Store(fresh)                                // unlink
//	smr.Call(dom, old, len(old.data), (*mapping).unmap) // unmap later
//
// # Sections
//
// Between Enter and Leave a reader is in a section. What it loads from a [Pointer] there stays
// valid until it leaves. The four kinds of section differ in cost and in what the goroutine may do:
//
//	section    d.Enter              may block, migrate, and be left by another goroutine
//	pinned     d.Pin                must not block or panic
//	reader     d.NewReader, Enter   may block; one goroutine at a time
//	quiescent  d.NewQuiescent       costs nothing; its owner announces quiescent states
//
// # Grace periods
//
// A grace period that begins now ends when every section that is open now has been left.
// [Domain.Synchronize] waits for one. [Domain.Advance] returns a goal to check later by
// [Domain.Poll] or [Domain.Wait]. [Call] runs a function after a grace period, and [Domain.Barrier]
// waits for such functions.
//
// A section that stays open holds back every later grace period, and all memory retired since. No
// scheme of this family avoids that. [Domain.Throttle] bounds the memory by making writers wait,
// and [Options.OnStall] names the reader.
//
// # What it costs
//
// On linux/amd64, with the Go releases it was tested with, Enter and Leave execute no atomic
// instruction and no fence: packages clock and internal/relacq say what that relies on. Elsewhere,
// and under the race detector, they use sync/atomic. Enter allocates only when more sections are
// open than ever before, Call only when more calls are pending than ever before. A domain without
// pending calls has no goroutine and no timer; while a reader holds calls back, one goroutine
// sleeps.
//
// # Mistakes
//
// [docs/which.md] says whether an object needs Call, Retire or Free, and [docs/mistakes.md] what
// goes wrong in programs: what one sees, and what finds it. Run your tests with -race, and with
// -tags invariants.
//
// # In a sandbox
//
// The fast path needs Linux's membarrier(2). The first New registers for it; if the kernel refuses,
// readers execute fences themselves. A seccomp filter that refuses membarrier after that ends the
// program with a fatal error: to go on would free memory under its readers. Install the filter
// before the first New, let it allow membarrier, or build with -tags smr_portable.
//
// # In testing/synctest
//
// A domain belongs to the bubble that makes it; [Default] belongs to none. A bubble that ends while
// a call is pending panics ("blocked goroutines remain"): the domain's goroutine waits for its
// check-in, and time no longer passes. End the bubble with Barrier, or with Close:
//
//	synctest.Test(t, func(t *testing.T) {
//		dom, err := smr.New(smr.Options{})
//		t.Cleanup(func() { dom.Close(context.Background()) })
//		...
//	})
//
// # Ideas
//
// The interface is that of XNU's smr.h, the clock FreeBSD's subr_smr.c, the asymmetric fence
// liburcu's. Quiescent readers are QSBR. Differences are explained where they occur.
//
// [docs/which.md]: https://github.com/gosmr/gosmr/blob/main/docs/which.md
// [docs/mistakes.md]: https://github.com/gosmr/gosmr/blob/main/docs/mistakes.md
package smr

// Package smr is safe memory reclamation: readers walk shared structures without
// locks, a writer unlinks an object and hands it to [Call], and the object is
// freed, unmapped, closed or reused once no reader can still hold it.
//
// Go's collector keeps an object on the Go heap alive as long as it is reachable. It
// does not do that for memory it does not own (mmaps, off-heap slabs, C memory), for
// files, or for pooled buffers that will be reused. Nor does it tell a writer when
// every reader has seen an update. This package does both.
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
// Between Enter and Leave a reader is in a section. What it loads from a [Pointer] in
// the section stays valid until it leaves. There are four kinds of section. They differ
// in their cost and in what their goroutine may do:
//
//	section    d.Enter              may block, migrate, and be left by another goroutine
//	pinned     d.Pin                must not block or panic
//	reader     d.NewReader, Enter   may block; one goroutine at a time
//	quiescent  d.NewQuiescent       costs nothing; its owner announces quiescent states
//
// # Grace periods
//
// A grace period that begins now ends when every section that is open now has been
// left. [Domain.Synchronize] waits for one. [Domain.Advance], [Domain.Poll] and
// [Domain.Wait] do it in steps: take a goal, come back later. [Call] runs a function
// after a grace period, and [Domain.Barrier] waits until such functions have run.
//
// A section that stays open holds back every grace period that begins meanwhile, and
// all memory that is retired meanwhile. No scheme of this family avoids that.
// [Domain.Throttle] bounds that memory by making writers wait, and [Options.OnStall]
// names the reader.
//
// # What it costs
//
// On linux/amd64, with the Go releases it was tested with, Enter and Leave execute no
// atomic instruction and no fence: packages clock and internal/relacq say what that
// relies on. Elsewhere, and under the race detector, they use sync/atomic. Enter
// allocates only when more sections are open than ever before, and Call only when more
// calls are pending than ever before. While no call is pending there is no goroutine and
// no timer; while a reader holds calls back, one goroutine sleeps.
//
// # In a sandbox
//
// The fast path needs Linux's membarrier(2). The first New asks the kernel for it; if the
// kernel refuses, readers execute a fence of their own. A seccomp filter that refuses
// membarrier later, after the first New, ends the program with a fatal error, because
// going on would free memory under its readers. Install such a filter first, let it allow
// membarrier, or build with -tags smr_portable.
//
// # In testing/synctest
//
// A domain belongs to the bubble in which it is made, and that of [Default] to none. A
// bubble that ends while a call is pending panics ("blocked goroutines remain"): the
// domain's goroutine waits for its check-in, and time no longer passes. End the bubble
// with the domain's Close, in t.Cleanup for example, or with Barrier:
//
//	synctest.Test(t, func(t *testing.T) {
//		dom, err := smr.New(smr.Options{})
//		t.Cleanup(func() { dom.Close(context.Background()) })
//		...
//	})
//
// # Ideas
//
// The interface is that of XNU's smr.h; the clock is FreeBSD's subr_smr.c; the
// asymmetric fence is liburcu's; quiescent readers are QSBR. Differences are explained
// where they occur.
package smr

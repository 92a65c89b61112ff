// Package smr is safe memory reclamation: readers walk shared structures without
// locks, a writer unlinks an object and hands it to [Call], and the object is
// freed, unmapped, closed or reused once no reader can still hold it.
//
// Go's collector keeps Go-heap objects alive for as long as anybody holds them.
// It does not do that for memory it does not own (mmaps, off-heap slabs, C
// memory), for files, for pooled buffers that are to be reused; nor does it tell
// a writer when every reader has seen an update. This package does.
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
// Between Enter and Leave a reader is in a section. What it loads from a
// [Pointer] in a section stays valid until it leaves. There are four kinds; they
// differ in what they cost and in what their goroutine may do meanwhile:
//
//	section    d.Enter              may block, migrate, and be left elsewhere
//	pinned     d.Pin                must not block or panic
//	reader     d.NewReader, Enter   may block; one goroutine at a time
//	quiescent  d.NewQuiescent       costs nothing; its owner reports in
//
// # Grace periods
//
// A grace period is the time from a moment until every section that was open
// then has been left. [Domain.Synchronize] waits for one. [Domain.Advance],
// [Domain.Poll] and [Domain.Wait] split that into pieces: take a goal, come back
// later. [Call] runs a function after one, and [Domain.Barrier] waits for such
// functions to have run.
//
// A section that stays open holds back every grace period that began since, and
// with it all memory retired since. No scheme of this family avoids that. What
// this package offers against it is [Domain.Throttle], which bounds that memory
// by making writers wait, and [Options.OnStall], which names the reader.
//
// # What it costs
//
// On linux/amd64, with a Go release it was tested with, entering and leaving
// execute no atomic instruction and no fence: see package clock and
// internal/relacq for what is relied on. Elsewhere, and under the race detector,
// they use sync/atomic. Entering allocates only when more sections are
// open than ever before, and Call when more calls are pending. No goroutine and no timer
// exists while no call is pending; one goroutine sleeps while a reader holds up what is.
//
// # In a sandbox
//
// The fast path needs Linux's membarrier(2). The first domain to be made asks for it;
// where the kernel refuses, readers execute a fence of their own. A seccomp filter that
// refuses it only later, when there is a domain, ends the program with a fatal error:
// going on would free memory under its readers. Install such a filter first, have it
// allow membarrier, or build with -tags smr_portable.
//
// # In testing/synctest
//
// A domain belongs to the bubble that it is made in; the one of [Default] to none. A
// bubble that ends while a call is pending panics ("blocked goroutines remain"), for
// time stands still in it by then and the domain's goroutine waits for its check-in.
// End the bubble with the domain's Close, by t.Cleanup for example, or with Barrier:
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
// asymmetric fence is liburcu's; quiescent readers are QSBR. What differs, and
// why, is said where it does.
package smr

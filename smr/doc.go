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
// and [Options.OnStall] names the reader. A reader that needs one object for long calls [Hold] and
// leaves its section: then only that object stays. [Options.Events] tell of each grace period, of
// callbacks, and when a stall is over; in a program that is traced (runtime/trace) waits, grace periods
// and callbacks are regions.
//
// # Shutdown
//
// A program that ends while requests are still served would free what they read, or crash those that
// come late. In this order it does neither:
//
//  1. Stop intake: close the listener, end the sources of work.
//  2. Let what may come late enter by [Domain.TryEnter] or [Reader.TryEnter], once for each request,
//     and pass the Section on; and retire by [TryCall]. A false means: answer that the service ends.
//  3. Wait for the requests that run, if the program counts them, up to a deadline.
//  4. Close the maps, files and pools of the domain, then the domain. From then on late readers are
//     refused, and Close waits for the sections that are open and the calls that are pending.
//  5. Free what readers may hold by other means (a mapped file, say) only when Close has returned nil.
//
// [docs/shutdown.md] has this as a program, with maps, pools and files.
//
// If Close fails because its context has ended, its error says how many calls and bytes are pending
// and which section is the oldest. A second Close waits for the rest. What a late call gets on a
// domain whose Close has begun:
//
//	TryEnter, Reader.TryEnter, TryCall        false
//	Wait, Synchronize, Barrier, Throttle      ErrClosed
//	Enter, Pin, Read, Reader.Enter            a panic that names the domain, also where a section is open
//	Call, CallFunc, NewQuiescent              a panic that names the domain
//	NewReader                                 a reader that opens no section
//	Online, Quiesce                           the reader goes offline, or stays so
//	Leave, Load, Poll, Stats, Close           what they always do
//
// # When a reader stays
//
// A stall report, and the error of a wait whose context ends, names the oldest reader. Where it was
// entered is known under -tags invariants and, in any build, of the sections that were sampled:
// [Options.SampleSections]. To sample costs the other sections nothing, so it may stay on, at one in
// ten thousand, say; and a stall that comes again is found by [Domain.SetSampleSections](1).
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
// [docs/shutdown.md]: https://github.com/gosmr/gosmr/blob/main/docs/shutdown.md
package smr

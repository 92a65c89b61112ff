// Package clock is a sequence clock: it tells a writer when every reader has
// passed a given moment. Package smr builds sections, deferred calls and
// everything else on it; use that.
//
// # The algorithm
//
// A clock has two sequences. wr is the current moment; rd is a moment that every
// reader has reached. Each reader has a [Record]: one word, 0 while it is idle,
// else the wr that it saw when it entered.
//
//	        rd                 wr
//	─────────┼───────┬──────┬──┼───────▶
//	         │       │      │  └ Advance moves wr on
//	         │       └──────┴─── words of open sections
//	         └ a scan moves rd to the oldest of them, or to wr
//
// A writer unlinks an object, advances the clock and keeps the new wr as its
// goal. A section that is entered at the goal or later can't find the object any
// more. Once no open section is older than the goal, rd may move there, and the
// object may be freed.
//
// A writer that would rather not write to the line that all readers read takes a
// deferred goal: wr plus one increment, to be committed later. All goals taken
// before the commit share one advance.
//
// This is XNU's smr.h clock, which is FreeBSD's GUS (global unbound sequences,
// subr_smr.c) with deferred advances made explicit.
//
// # Who writes what
//
//	wr      Advance, Commit       atomic add, compare-and-swap
//	rd      scan                  compare-and-swap, forward only
//	record  its reader            store on entry, store of 0 on leaving
//	waiter  the driver            store of 1 before it sleeps; the reader takes it back
//
// # Why it is safe
//
// Entry is: load wr, store it to the record, load protected pointers. Three
// things can go wrong, and one rule answers each.
//
// The store may be delayed: a processor may load a protected pointer while its
// own store to the record still sits in its store buffer, where no scan sees it.
//
//	reader                          poller
//	record = wr  (in the buffer)
//	p = load pointer  → old object
//	                                wr read, records scanned: idle
//	                                rd = wr; old object freed
//	use p                           ✗
//
// So between the store and the loads there must be a fence, on the reader's side
// or, by way of membarrier, on the poller's: it sends every processor through a
// fence after it read wr and before it scans. Either the reader's store is out by
// then and is seen, or its loads come after and find the object unlinked.
//
// The reader may be delayed between loading wr and storing it, for as long as it
// likes, so a record may hold a moment that rd has passed long ago. That reader
// has loaded nothing yet, and so is as good as one that entered at rd; the scan
// counts it so. It must not count as idle: from here on it is a reader like any
// other.
//
// A scan may be delayed, and end after a later one. rd only moves forward, and a
// scan's result, though old, stays true: what was reached stays reached.
//
// # Goals
//
// A goal that the clock never issued is never reported as reached: the zero Seq,
// a goal of another clock (each clock has a tag in the low bits of all its
// moments), and one further ahead than the deferred goal of now. XNU reports the
// last kind as reached, taking it for one so old that the clock wrapped around;
// that would free early. A goal that is issued but not committed is not reached
// either, since readers may still enter before it.
package clock

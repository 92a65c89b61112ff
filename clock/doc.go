// Package clock is a sequence clock: it tells a writer when every reader has passed a given moment.
// Package smr builds sections, deferred calls and everything else on it; use that. The API of this
// package may change.
//
// # The algorithm
//
// A clock has two sequences: wr, the current moment, and rd, a moment that every reader has
// reached. Each reader has a [Record]: one word, 0 while it is idle, else the wr that it loaded on
// entry.
//
//	        rd                 wr
//	─────────┼───────┬──────┬──┼───────▶
//	         │       │      │  └ Advance moves wr on
//	         │       └──────┴─── words of open sections
//	         └ a scan moves rd to the oldest of them, or to wr
//
// A writer unlinks an object, advances the clock and keeps the new wr as its goal. A section
// entered at the goal or later cannot find the object. Once no open section is older than the goal,
// rd may move there, and the object may be freed.
//
// To spare the line that every reader loads, a writer may take a deferred goal instead: wr plus one
// increment, committed later. All goals taken before the commit share one advance.
//
// A writer polls for its goal or waits for it. A wait that must park registers with the clock's
// driver, a goroutine that exists while a wait is parked: see driver.go.
//
// This is XNU's smr.h clock, which is FreeBSD's GUS (global unbound sequences, subr_smr.c) with
// deferred advances made explicit.
//
// # Who writes what
//
//	wr             Advance, Commit      atomic add, compare-and-swap
//	rd             scans                compare-and-swap, forward only
//	record.seq     its reader           store on entry, store of 0 on leaving
//	record.last    its owner            plain store; no other goroutine accesses it
//	record.waiter  the driver           store of 1 before it sleeps on the record
//	               the leaving reader   swap to 0 before it kicks the driver
//	exceptions     Seal, samples        or, compare-and-swap; then they move wr
//	driver.term    waiters, the driver  store, under the driver's lock
//	asked          waiters, the driver  store before they ask for quiescent states; a hint
//
// # Why it is safe
//
// An entry loads wr, stores it to the record, and then loads protected pointers. (A registered
// reader stores the moment of its last section first, and then loads wr: if that has moved, it
// stores the new one. Until then its record holds back more than it must.) Three delays could break
// it.
//
// The store may be delayed: the processor may load a protected pointer while its store to the
// record is still in its store buffer, where no scan sees it.
//
//	reader                          poller
//	record = wr  (in the buffer)
//	p = load pointer  → old object
//	                                wr read, records scanned: idle
//	                                rd = wr; old object freed
//	use p                           ✗
//
// So a fence stands between the store and the loads. Either the reader executes it, or the poller
// executes it on every processor, by membarrier, after it has loaded wr and before it scans. Then
// the scan sees the reader's store, or the reader's loads come after the fence and find the object
// unlinked. Quiescent readers, which enter and leave seldom, always execute it: while a clock has
// no others, its pollers interrupt no processor.
//
// The reader may be delayed between loading wr and storing it, for any length of time, so its
// record may hold a moment that rd has long passed. That reader had loaded no pointer when rd
// passed, so a scan counts it as if it had entered at rd. It does not count as idle: it may load
// pointers from now on.
//
// A scan may be delayed, and end after a later one. Its result still holds: what was reached stays
// reached, and rd only moves forward.
//
// # Goals
//
// A goal that the clock never issued is never reached: the zero Seq, a goal of another clock (the
// low bits of a Seq are its clock's tag), and a goal further ahead than the current deferred one.
// XNU takes a goal from the future for one from before a wrap and reports it as reached; that would
// free early. A goal that is not committed is not reached either: readers may still enter before
// it.
package clock

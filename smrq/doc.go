// Package smrq has four intrusive queues, [SList], [List], [STailQ] and [TailQ], that readers walk
// forward while one writer at a time changes them. Readers are in a section of package smr; they
// take no lock and only load. Writers hold a lock that the caller provides.
//
// An element contains its own [Link], so inserting it allocates nothing, and it may live off the Go
// heap:
//
//	type session struct {
//		id   int
//		link smrq.Link[session]
//	}
//	q := smrq.NewTailQ(func(s *session) *smrq.Link[session] { return &s.link })
//
//	for e := range q.All(section) { ... }        // a reader
//
//	mu.Lock()                                     // a writer
//	q.Remove(e)
//	mu.Unlock()
//	smr.Call(dom, e, size, (*session).free)       // once no reader can be at e
//
// # Which one
//
// All four have the same methods; those with a tail can also insert there. To change from one to
// another, change the type.
//
//	            links     header  InsertTail  Remove, Replace  Append
//	SList       forward   head    no          O(n)             O(n + source)
//	List        both      head    no          O(1)             O(n + source)
//	STailQ      forward   both    yes         O(n)             O(source), O(1) if n = 0
//	TailQ       both      both    yes         O(1)             O(source), O(1) if n = 0
//
// [Cursor.Erase] is O(1) on all of them, and Split O(n).
//
// # How it works
//
//	         ┌─────────────────────────────┐ tail
//	head     │                             ▼
//	q ──▶ [A.link] ─next─▶ [B.link] ─next─▶ [C.link] ─next─▶ nil
//	         ◀────prev─────    ◀────prev─────
//
// Readers follow head and next only; prev and tail belong to the writers. next points to the next
// element's Link, not to the element, so a walk is one dependent load per step. The element's
// address is that of its Link less an offset that the constructor computes from the accessor.
//
// Insertion sets the new element's next and then publishes the element by a release store to its
// predecessor: a reader that finds the element sees all of it. Removal stores the successor to the
// predecessor and leaves the removed element's next alone: readers at that element continue to its
// successor. So:
//
//   - A walk sees only elements that were in the queue at some time during the walk.
//   - It sees an element that stays in the queue throughout exactly once.
//   - It sees an element that is inserted or removed meanwhile at most once. Of an element and its
//     replacement it sees exactly one.
//
// A walk of a queue that is appended to another continues into that one. A walk of a queue that is
// being split may see elements of both parts, in the order in which they stood in one; from the last
// [Split.Step] on it sees its own alone.
//
// All this requires a grace period between removing an element and inserting it again; use
// [smr.Call]. An element that is moved at once (say, to the tail on each use) takes the readers at
// it along. They may see elements twice, miss those between, or continue in another queue. What
// they see is still safe to use.
//
// # Hash tables
//
// Append, Unpublish and Split are what a hash table of queues needs to change its size beside its
// readers, which come by the old array of queues until they find the new one:
//
//   - To shrink, it appends each two old queues to a new one, publishes the new array, and calls
//     Unpublish of the old queues: from then on all elements may be removed, also those to which an
//     old head leads.
//   - To grow, it appends each old queue to a new one and begins to split that into another,
//     publishes the new array, calls Unpublish of the old queues, and makes the steps of each [Split].
//
// The example Table is all of that, to be copied. Its lookups wait for nothing, and miss no key that
// is there throughout. Its writers wait while it grows, for a few grace periods; so none may be called
// in a section, for which they would wait, or in a callback. To let them go on was rejected: during a
// split two elements may lead to one, so each removal would have to find both of them, and each step
// to find out what has changed since the last.
//
// # What a removed element keeps alive
//
// A queue does not refer to a removed element. But the element keeps its next: on the Go heap it
// keeps the element after it alive, which keeps the one after that. If you keep removed elements
// for later use, zero their Link once the grace period is over. An element that Init dropped keeps
// its predecessors, too.
//
// The collector does not scan memory off the Go heap. So the elements of a queue must all be on the
// Go heap, or all off it. Off it, the Link must be zero before the element is first inserted.
//
// # Misuse
//
// A Link records which queue it is in. A writer's method panics if the element to insert is in a
// queue, if the element to remove is in none or another, or if links contradict each other. It
// panics before it changes anything, and names the queue, the element and what it found. A method
// checks only the links that it uses; [TailQ.Verify] checks all. Under -tags invariants the
// writers' methods, except the relaxed ones, also check that the lock named by GuardedBy is held,
// and the readers' methods that the section is open.
// [docs/mistakes.md] has what goes wrong in programs, and what finds it.
//
// Idea: the four SMR queue kinds of XNU's kern/smr.h, and before them BSD's sys/queue.h; splitting,
// the relativistic hash tables of Triplett, McKenney and Walpole (USENIX ATC 2011). The Link's owner,
// the checked [Cursor], and a [Split] that knows when to wait are added here.
//
// [docs/mistakes.md]: https://github.com/gosmr/gosmr/blob/main/docs/mistakes.md
package smrq

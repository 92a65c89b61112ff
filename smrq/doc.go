// Package smrq has four intrusive queues that readers walk, forward, while one
// writer at a time changes them: [SList], [List], [STailQ] and [TailQ]. Readers
// take no lock and only load; they are in a section of package smr. Writers hold a
// lock of the caller's.
//
// An element carries its own [Link], so inserting allocates nothing, and elements
// may live off the Go heap:
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
//	smr.Call(dom, e, size, (*session).free)       // once no reader can stand on e
//
// # Which one
//
// All four have the same methods, but that only those with a tail can insert
// there; to change from one to another, change the type.
//
//	            links     header  InsertTail  Remove, Replace  Append
//	SList       forward   head    no          O(n)             O(n + source)
//	List        both      head    no          O(1)             O(n + source)
//	STailQ      forward   both    yes         O(n)             O(source), O(1) if n = 0
//	TailQ       both      both    yes         O(1)             O(source), O(1) if n = 0
//
// [Cursor.Erase] is O(1) on all of them.
//
// # How it works
//
//	         ┌─────────────────────────────┐ tail
//	head     │                             ▼
//	q ──▶ [A.link] ─next─▶ [B.link] ─next─▶ [C.link] ─next─▶ nil
//	         ◀────prev─────    ◀────prev─────
//
// Readers follow head and next, and nothing else; prev and tail are the writers'
// own. next points at the next element's Link and not at the element, so that a
// walk is one dependent load a step; the element is found from it by the offset
// that the constructor took from the accessor.
//
// Insertion sets the new element's next, and then stores the element to its
// predecessor, with release: whoever finds the element finds all of it. Removal
// stores the successor to the predecessor, and leaves the removed element's own
// next as it is, because readers may stand on it: they go on to what was its
// successor. So:
//
//   - A reader sees only elements that were in the queue at some time during its
//     walk.
//   - An element that is in the queue during all of the walk is seen, once.
//   - An element that is inserted or removed meanwhile is seen once or not at all.
//     Of an element and its replacement, exactly one is seen.
//
// A reader that entered by a queue that was appended to another goes on in that one,
// and sees what is in that one.
//
// All this holds if a removed element is inserted again only after a grace period,
// for which [smr.Call] is there. One that is moved at once (to the tail, on use, say)
// takes the readers that stand on it along: they may see elements twice, or miss
// those between; moved to another queue, they end up in that one. What such
// readers see is still safe to use.
//
// # What a removed element holds on to
//
// A queue keeps nothing of a removed element. But the element keeps its next: one
// that is on the Go heap, and kept for later use, keeps the element that came
// after it, and so what came after that. After the grace period, zero the Link
// (or insert the element again) to let go of them. What Init drops keeps its
// predecessors, too.
//
// The collector does not look into memory that is not its own. So the elements of
// one queue are all on the Go heap, or all off it; and of memory off it, Link
// must be zero before the element is first inserted.
//
// # Misuse
//
// A Link knows in which queue it is. Inserting an element that is in a queue,
// removing one that is in none or in another, or meeting links that contradict
// each other panics, before anything is changed, with the queue, the element and
// what was found. What contradicts nothing that an operation looks at is not found:
// [TailQ.Verify] looks at everything. Under -tags invariants, writers' methods also
// check that the lock named by GuardedBy is held, but for the relaxed ones, and
// readers' methods that the section is open.
//
// Idea: the four SMR queue kinds of XNU's kern/smr.h, and BSD's sys/queue.h before
// them. The Link's owner, the stamp that it costs, and the checked [Cursor] are
// this package's own.
package smrq

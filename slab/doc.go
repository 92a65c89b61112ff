// Package slab allocates objects that readers may still hold when they are given
// back: type-stable pools of one type ([Pool]), and blocks of bytes of any size
// ([Blocks]), off the Go heap where that is possible.
//
// What is off the Go heap costs the collector nothing: it is neither marked nor
// counted, however much of it there is. In return the caller does what the collector
// would have done, and this package's part in it is Retire: the object is given out
// again once no section that could hold it is open.
//
//	n, err := pool.Get()     // whatever an earlier user left in it, or zeros
//	...                      // fill it, publish it, unlink it
//	pool.Retire(n)           // reused after a grace period
//
// # The life of an object
//
// A pool has three parts beside the caches of the processors, each with one lock. No two of
// these locks are held at a time.
//
//	            cache                     depot                        heap
//	          (pinned, no lock)         (depot.mu)                  (heap.mu)
//
//	Get  ◀───── magazine ◀──────────── full magazines ◀───── fill ── partial or empty slab ◀─ the system
//	Free ─────▶ magazine ──when full─▶ full magazines ── too many ─▶ its slab              64 KiB to 2 MiB
//	Retire ───▶ magazine ──when full─▶ waiting ─┐  ▲                    │
//	               of retired ones    with goal │  │                    │ all objects back
//	                                            └──┘                    ▼
//	                                  tick, or a Get            empty slab ── idle ──▶ the system
//	                                  that polls                                (no lock held)
//
// A magazine is an array of pointers to free objects. Each processor has two to take from and
// to free into, and one for what it retires. It changes them pinned, without a lock or an atomic
// instruction.
//
// A full magazine of retired objects gets a goal, as a whole, and waits in the depot. There is
// one deferred call, a tick, for all magazines that are retired at one moment of the domain's
// clock: so a stamp and a wait are shared by many objects. When the readers have left, the tick
// makes the magazines full ones, and moves those beyond a few to their slabs. A Get
// that finds nothing free polls the readers itself, before it takes more memory from the
// system. (XNU's and FreeBSD's SMR zones stamp a magazine in the same way; the magazines
// themselves are Bonwick's, 2001.)
//
// A slab with all of its objects back is empty. Of these a pool keeps an eighth of its slabs;
// a tick returns the others to the system when they were not needed for a grace period, and
// Trim, Close, and a [Budget] that is nearly used up do so at once. Those of a Pool wait for the
// readers that were in a section when the last object came back. So in a section, a pointer to
// an object of a Pool shows an object of that type until the section ends, even after Free. Only
// its contents may be another's by then.
//
// The policy decides all that. Its lock is held while magazines are moved from caches to the
// depot and on to the heap, before the locks of these: so Trim, Close and ticks find each
// object where it belongs. Get, Free and Retire do not take it, but for a Get that the budget
// refuses.
//
// # What lies off the Go heap
//
// A Pool of a type without Go pointers (checked once, by reflection), and Blocks.
// The memory comes from mmap, in huge pages where the system has them. Types that
// hold pointers live in Go slices, where the collector sees what they point to;
// and so does everything under the race detector, which takes no notice of
// synchronization in memory that is not Go's, and on systems without mmap.
//
// # Finding mistakes
//
// Under -tags invariants freed objects are poisoned, and checked when they are given out
// again, so that a write after free panics; freeing twice, freeing what is another pool's,
// and leaking (with the stack of the Get) are reported; and the memory of slabs that went
// back to the system faults when it is touched.
package slab

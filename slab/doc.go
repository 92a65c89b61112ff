// Package slab allocates objects that readers may still hold when they are given back:
// type-stable pools of one type ([Pool]), and blocks of bytes of any size ([Blocks]), off the Go
// heap where possible.
//
// The collector neither marks nor counts what is off the Go heap. In return the caller says when
// an object is no longer in use. A retired object is given out again only after every section
// that could hold it has been left.
//
//	n, err := pool.Get()     // zero, or as an earlier user left it
//	...                      // fill it, publish it, unlink it
//	pool.Retire(n)           // reused after a grace period
//
// # The life of an object
//
// A pool has a cache per processor and three parts: depot, heap and policy, with one lock each.
//
//	            cache                     depot                        heap
//	          (pinned, no lock)         (depot.mu)                  (heap.mu)
//
//	Get  ◀───── magazine ◀──────────── full magazines ◀───── fill ── partial or empty slab ◀─ the system
//	Free ─────▶ magazine ──when full─▶ full magazines ── too many ─▶ its slab              64 KiB to 2 MiB
//	Retire ───▶ magazine ──when full─▶ waiting ─┐  ▲                    │
//	               of retired ones    with goal │  │                    │ all objects back
//	                                            └──┘                    ▼
//	                              deferred call, or a Get           empty slab ── idle ──▶ the system
//	                              that polls                                (no lock held)
//
// A magazine is an array of pointers to free objects. Each processor has two to take from and
// to free into, and one for retired objects. It uses them while pinned, without a lock or an
// atomic instruction.
//
// A full magazine of retired objects waits in the depot: one goal, one deferred call and one grace
// period serve all of its objects. The call moves the magazines whose readers have left to the full
// ones, and the objects of surplus ones to their slabs. A Get that finds nothing free polls the
// readers itself before it takes more memory from the system. (XNU's and FreeBSD's SMR zones
// stamp a magazine in the same way; the magazines themselves are Bonwick's, 2001.)
//
// A retired object that a reader holds (smr.Hold) leaves its magazine when the readers have left. It
// goes back to its slab when it is released: see hold.go.
//
// A slab is empty when all of its objects are back. A pool keeps up to an eighth of its slabs
// empty. The others go back to the system after a grace period in which they were not needed, or
// at once by Trim, Close, or a [Budget] that is nearly used up. The first slab of a pool is opened page
// by page, as objects are needed; the others are whole. Slabs of a Pool also wait for the
// readers that were in a section when the last object came back. So in a section, a pointer to
// an object of a Pool leads to an object of that type until the section ends, even after Free; only
// its contents may be another user's by then. (Not so with [Options.PrivateFree].)
//
// The policy makes these decisions. Get, Free and Retire do not take its lock, except a Get that
// the budget refuses.
//
// # What lies off the Go heap
//
// Blocks, and a Pool of a type without Go pointers (checked once, by reflection), use memory
// from mmap, in huge pages where the system has them. Types that hold pointers live in Go
// slices, where the collector sees what they point to. So do all others on systems without
// mmap, and under the race detector, which ignores synchronization in memory that is not Go's.
//
// # Finding mistakes
//
// In production [Options.Quarantine] samples objects: what touches one after it was given back
// faults, and [Explain] says where that was.
//
// Under -tags invariants each object is poisoned when it is freed, or soon after its readers have
// left, and checked when it is given out again or its slab goes: a write after that panics. An
// object that is given back twice, or to another pool than its own, panics with both stacks; leaks
// are reported with the stack of the Get. Memory of slabs that went back to the system faults when
// touched. (Objects retired by [Local] are poisoned with the rest of their magazine.)
//
// [docs/mistakes.md] has these and others, with what one sees, and [docs/which.md] says when to Free and
// when to Retire.
//
// [docs/which.md]: https://github.com/gosmr/gosmr/blob/main/docs/which.md
// [docs/mistakes.md]: https://github.com/gosmr/gosmr/blob/main/docs/mistakes.md
package slab

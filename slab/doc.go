// Package slab allocates objects that readers may still hold when they are given
// back: type-stable pools of one type ([Pool]), and blocks of bytes of any size
// ([Blocks]), off the Go heap where that is possible.
//
// What is off the Go heap costs the collector nothing: it is neither marked nor
// counted, however much of it there is. What the collector would have done is then
// the caller's to do, and this package's part in it is Retire: the object is given
// out again once no section that could hold it is open.
//
//	n, err := pool.Get()     // whatever an earlier user left in it, or zeros
//	...                      // fill it, publish it, unlink it
//	pool.Retire(n)           // reused after a grace period
//
// # Where objects come from
//
//	Get ◀── magazine ◀── full magazines ◀── slabs ◀── the system
//	        (its processor's)  (the depot)    (64 KiB to 2 MiB)
//
//	Free ──▶ the same magazine ──▶ full magazines ──▶ slabs ──▶ the system
//	Retire ──▶ magazine of retired ones ──smr.Call──▶ full magazines
//
// A magazine is an array of pointers to free objects. Each processor has one to
// take from and one for what it retires, and changes them pinned, without a lock
// or an atomic instruction. A magazine of retired objects that is full is handed to
// [smr.Call] as a whole: one deferred call, one stamp and one wait for as many
// objects as it holds. (XNU's and FreeBSD's SMR zones stamp a magazine in the same
// way; the magazines themselves are Bonwick's, 2001.)
//
// Slabs that have all of their objects back, but for an eighth, are returned to the system
// when they were not needed for a while (two deferred calls, so a section that stays open
// keeps them), or a [Budget] is nearly used up; and those of a Pool not before readers
// have left that were in a section then. So in a section, what a pointer to an object of a
// Pool shows is an object of that type until the section ends, even after Free. Only its
// contents may be another's by then.
//
// # What lies off the Go heap
//
// A Pool of a type without Go pointers (looked at once, by reflection), and Blocks.
// The memory comes from mmap, in huge pages where the system has them. Types that
// hold pointers live in Go slices, where the collector sees what they point to;
// and so does everything under the race detector, which takes no notice of
// synchronization in memory that is not Go's, and on systems without mmap.
//
// # Finding mistakes
//
// Under -tags invariants freed objects are poisoned and looked at again when they
// are given out, so that a write after free panics; freeing twice, freeing what is
// another pool's, and leaking (with the stack of the Get) are reported; and the
// memory of slabs that went back to the system faults when it is touched.
package slab

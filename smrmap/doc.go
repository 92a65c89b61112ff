// Package smrmap is a map for services: many readers that take no lock, writers that lock
// a bucket, and data that the garbage collector does not see.
//
// [Map] holds keys and values of any types; [Bytes] holds bytes, and lets entries expire
// and be evicted. Both hand out copies, or in a section of their [smr.Domain] the value
// itself, borrowed until the section is left.
//
//	v, ok := m.Load(k)       // a copy
//
//	s := dom.Enter()
//	p, ok := m.LoadIn(s, k)  // the value itself
//	...
//	s.Leave()                // and not used from here on
//
// # The table
//
// A table is an array of buckets, each a cache line: six entries, a byte of each one's
// hash, and a word with the lock and a version. The high bits of a key's hash choose the
// bucket, so a bucket holds a stretch of hashes:
//
//	hash   0                                                    2^64
//	       ├────────────┬────────────┬────────────┬────────────┤
//	table  │  bucket 0  │  bucket 1  │  bucket 2  │  bucket 3  │
//	       └────────────┴────────────┴─────┬──────┴────────────┘
//	                                       └▶ chained buckets, where six are not enough
//
//	bucket │ ctl │ tags │ entry │ entry │ entry │ entry │ entry │ entry │   64 bytes
//	                        │
//	                        └▶ key, value                        from package slab
//
// A lookup compares all six bytes at once, and follows the pointers whose byte is equal: two
// cache misses where the map is large. An entry never changes; to change a value is to put another
// entry into the slot, and to retire the old one, which is used again when no reader can
// hold it.
//
// Chained buckets are the table's: one that is empty, with none behind it, is unlinked, and
// is any chain's of the table from then on. No reader is waited for. The way to an entry is as
// it was for as long as the entry is there, so only a reader for which there is nothing can be
// at a bucket while that becomes another chain's; and the version says so (see below).
//
// # Growing and shrinking
//
// A goroutine, which is there while there is something to do, moves the entries of one
// bucket after another to a table of twice or half the size, and marks each as moved.
// Readers and writers who find the mark look in the next table; nobody waits for more than
// one bucket. A bucket that is marked does not change any more, so readers who were in it
// end their lookup there. (A table with many chained buckets that needs few is replaced by
// one of the same size.)
//
// Since a bucket is a stretch of hashes in a table of any size, a walk keeps its place as a
// hash. What is there from its start to its end is seen once, whatever the table does.
//
// # Reading without a section
//
// On linux/amd64, [Map.Load] of entries off the Go heap enters no section. It finds the
// entry, copies it, and then looks whether any entry was unlinked from the bucket since it
// began: if so, it may have copied an entry that became another's, and starts over. That
// is safe since memory of package slab can be read at any time, whatever became of it, and
// since nothing in the copy is followed before it is known to be good. (A sequence lock,
// without the writer's half of waiting: readers go on while the bucket is locked.)
//
// # Where entries lie
//
// Entries of a Map whose K and V hold no Go pointers, and all of Bytes, lie off the Go heap
// (see package slab for exceptions), and the table is memory without pointers: a
// collection looks at none of it. Entries of other Maps are Go objects, one allocation for
// each Store, and the collector frees them.
//
// # What memory is used
//
// An entry's share of the table is 16 to 33 bytes in a map that grows, and up to 128 in one
// that was larger. Chained buckets are a tenth more in a map whose keys stay, and up to a
// third where keys come and go, however long.
//
// The budget counts entries, table and chained buckets. It is exceeded by no more than a
// quarter of the table and half a KiB, in chained buckets; while the table shrinks, by the
// half of its size that the next one has; and while entries move, by what chained buckets
// they need there, about as many as they had. (A map takes some 20 KiB of the Go heap
// besides.)
//
// # When memory ends
//
// A Store for which the budget has no room fails with [slab.ErrNoMemory], and the map is as
// it was. What was retired comes back a grace period later. [Bytes.StoreEvicting] waits for
// that, and evicts entries that were not read for a while, as few as make room. Memory is cut
// into slabs of entries of about one size: where sizes change it moves the entries of a slab
// together with others, and gives the slab to the new size. [Bytes.Evict] and
// [Bytes.Compact] are its steps, for a cache that makes room ahead of need, and for a limit
// that was lowered.
//
// The interface is that of xsync's maps, as are the tags; buckets of a cache line are
// CLHT's (David, Guerraoui, Trigonakis 2015).
package smrmap

// Package smrmap is a map for services: readers take no lock, writers lock one bucket, and the
// garbage collector does not see the data.
//
// [Map] holds keys and values of any types; [Bytes] holds bytes, and its entries may expire and
// be evicted. Both return copies, or in a section of their [smr.Domain] the value itself,
// borrowed until the section is left.
//
//	v, ok := m.Load(k)       // a copy
//
//	s := dom.Enter()
//	p, ok := m.LoadIn(s, k)  // the value itself
//	...
//	s.Leave()                // do not use p after this
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
// cache misses where the map is large. An entry never changes. A writer puts another entry into
// the slot and retires the old one, whose memory is used again when no reader can hold it.
//
// Chained buckets belong to the table. An empty one with none behind it is unlinked, and may
// become part of any chain at once, without a grace period. The way to an entry stays as it is
// while the entry is there, so a reader at such a bucket has nothing to find; and if it goes on
// in the other chain, the version of its own root tells it (see below).
//
// # Growing and shrinking
//
// A goroutine, started when it is needed, moves the entries of one bucket after another to a
// table of twice or half the size, and marks each bucket as moved. Readers and writers that find
// the mark go to the next table; a writer waits for one bucket at most, a reader for none. A
// marked bucket does not change any more, so a reader that is in it ends its lookup there. (A
// table with many free chained buckets is replaced by one of the same size.)
//
// A bucket is a stretch of hashes in a table of any size, so a walk keeps its position as a
// hash, and sees an entry that stays exactly once, whatever happens to the table.
//
// # Reading without a section
//
// On linux/amd64, [Map.Load] of entries off the Go heap enters no section. It finds the entry,
// copies it, and then checks whether any entry was unlinked from the bucket since it began: if
// so, the copy may be of an entry that became another's, and it starts over. That is safe because
// memory of package slab can be read at any time, whatever became of it, and because nothing in
// the copy is followed before the check. (It is a sequence lock, except that readers go on while
// the bucket is locked.)
//
// # Where entries lie
//
// Entries of a Map whose K and V hold no Go pointers, and all entries of Bytes, lie off the Go
// heap (package slab has the exceptions), and their table has no pointers either: the collector
// scans none of it. Entries of other Maps are Go objects, one allocation for each Store, and the
// collector frees them.
//
// # What memory is used
//
// An entry's share of the table is 16 to 33 bytes in a map that grows, and up to 128 in one
// that was larger. Chained buckets are a tenth more in a map whose keys stay, and up to a
// third where keys come and go, however long.
//
// The budget counts entries, table and chained buckets. Chained buckets exceed it by at most a
// quarter of the table and half a KiB; while the table shrinks, the next one exceeds it by half
// the table's size; and while entries move, so do the chained buckets that they need there, about
// as many as they had. (A map takes some 20 KiB of the Go heap besides.)
//
// # When memory ends
//
// A Store for which the budget has no room fails with [slab.ErrNoMemory], and the map is as it
// was. Retired memory comes back a grace period later. [Bytes.StoreEvicting] waits for that, and
// evicts entries that were not read for a while, as few as make room. Memory is cut into slabs of
// entries of about one size; where sizes change, it moves the entries of a slab to others, and
// gives the slab to the new size. [Bytes.EvictBytes] and [Bytes.CompactFor] are its steps, for a
// cache that makes room ahead of need, and for a limit that was lowered.
//
// The interface is that of xsync's maps, as are the tags; buckets of a cache line are
// CLHT's (David, Guerraoui, Trigonakis 2015).
package smrmap

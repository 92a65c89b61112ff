// Package smrmap provides maps for services: readers take no lock, writers lock one bucket, and
// the garbage collector does not scan the data.
//
// [Map] holds keys and values of any types; [Bytes] holds bytes, and its entries may expire and
// be evicted. Both return copies, or lend the value itself in a section of their [smr.Domain]:
//
//	v, ok := m.Load(k)       // a copy
//
//	ok = m.View(k, func(p *V) {
//		...              // the value itself: do not write to it, nor use it after this
//	})
//
//	s := m.Enter()           // the same for several keys; not a section of another domain
//	p, ok := m.LoadIn(s, k)
//	...
//	s.Leave()                // do not use p after this
//
// Under -tags invariants what is lent is a copy: a write to it, and a use after the section, are found.
//
// What is needed for longer, by an iterator or for a slow connection, is held ([Map.Hold],
// [Bytes.Hold]): it stays until it is released, whatever becomes of the entry, and delays nothing else.
//
// # The table
//
// A table is an array of buckets, each a cache line: six entries, a byte of each entry's hash, and
// a word with the lock and a version. The high bits of a key's hash choose the bucket, so a bucket
// holds a range of hashes:
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
// A lookup compares all six bytes at once and follows the pointers whose byte is equal: two cache
// misses in a large map. An entry never changes. A writer puts another entry into the slot and
// retires the old one, whose memory is reused when no reader can hold it.
//
// An empty chained bucket at the end of its chain is unlinked, and may join any other chain at
// once, without a grace period: see spill in chain.go.
//
// [Map.LoadAll] and [Map.StoreAll] take several keys. They ask for the lines of 16 buckets at once, then for
// those of the entries, so that these keys wait for two misses together and not for two each.
//
// # Growing and shrinking
//
// A goroutine, started on demand, moves the entries bucket by bucket to a table of twice or half
// the size, and marks each bucket as moved. Readers and writers that find the mark go to the next
// table; a writer waits for one bucket at most, a reader for none. A marked bucket no longer
// changes, so a reader already in it ends its lookup there. (A table with many free chained buckets
// is replaced by one of the same size.)
//
// A bucket is a range of hashes in a table of any size, so a walk keeps its position as a hash, and
// sees an entry that stays in the map exactly once, however often the table is replaced.
//
// # Reading without a section
//
// On linux/amd64, [Map.Load] of entries off the Go heap enters no section (it does with a
// Quarantine, where it would fault). It finds the entry, copies it, and then checks whether any entry
// was unlinked from the bucket meanwhile: if so, the copy may be of reused memory, and Load starts
// over. It is a sequence lock, except that readers proceed while the bucket is locked.
// (optimistic_on.go says what it relies on.)
//
// # Where entries lie
//
// Entries of Bytes, and of a Map whose K and V hold no Go pointers, lie off the Go heap (package
// slab has the exceptions), and their table has no pointers: the collector scans none of it. Other
// entries are Go objects, and the collector frees them.
//
// # Mistakes
//
// [docs/mistakes.md] has what goes wrong with borrowed values, keys of a walk, Compute and Close:
// what one sees, and what finds it. In production [Options.Quarantine] has uses of what was borrowed
// fault, by sampling.
//
// # Memory use
//
// An entry's share of the table is 16 to 33 bytes in a map that grows, and up to 128 in one that
// was larger. Chained buckets add a tenth to that where keys stay. Where keys come and go they add up
// to a third, and no more with time.
//
// The budget counts entries, table and chained buckets, and what Bytes that evict note about keys: two to
// four bytes for each entry. Some memory is taken even where the budget has no room: chained buckets, up
// to a quarter of the table and half a KiB; to shrink, a table of half the size; while entries move, the
// chained buckets that they need in the next table, about as many as they had; and those notes. (A map
// also takes some 20 KiB of the Go heap that is not counted.)
//
// # Shutting down
//
// Maps, pools and domain may be closed while requests are under way. Each Close waits for what must
// end before memory goes; operations that come later return [ErrClosed], or find nothing:
//
//	listener.Close()                          // no new requests
//	err := errors.Join(
//		m.Close(ctx), pool.Close(ctx),    // late requests fail from here on
//		dom.Close(ctx),                   // Enter panics from here on; View finds nothing
//	)
//
// [Map.Close] says what it waits for. What is held must be released first. If ctx ends first, the memory that is in use stays readable;
// call all three again, or exit.
//
// # Out of memory
//
// A Store for which the budget has no room fails with [slab.ErrNoMemory] and leaves the map as it
// was. [Bytes.StoreEvicting] makes room: it waits a grace period for retired memory, and evicts
// entries that were not read for a while. Memory is cut into slabs of entries of about one size; as
// sizes change, it moves the entries of a slab to others and gives the slab to the new size.
// [Bytes.EvictBytes] and [Bytes.CompactFor] are its steps, for a cache that makes room ahead of
// need or whose limit was lowered.
//
// The interface and the tags are those of xsync's maps; buckets of a cache line are CLHT's (David,
// Guerraoui, Trigonakis 2015).
//
// [docs/mistakes.md]: https://github.com/gosmr/gosmr/blob/main/docs/mistakes.md
package smrmap

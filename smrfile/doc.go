// Package smrfile maps files for readers that borrow slices of them, while others grow, truncate, close
// and replace the files.
//
// A program that unmaps a file must know that no reader has a slice of it: else the reader crashes or,
// once the system has given the addresses away, silently reads another file. So each view is counted,
// or each reader takes a lock, and the writer that grows the file waits for all of them. Here a reader
// is in a section of an [smr.Domain]: what it borrows there stays until it leaves, and no writer waits
// but one that takes bytes away.
//
//	f, err := smrfile.Open(dom, path, smrfile.Options{})
//
//	s := f.Enter()
//	b, err := f.View(s, off, n) // a slice of the mapping: no lock, no count, no copy, no allocation
//	...
//	s.Leave()                   // b is not to be used any more
//
// # Readers
//
//	View     borrows, until the section is left
//	Read     the same, and a fault while it reads is an error
//	Hold     keeps the file as it is, after the section: for long work
//	ReadAt   copies; needs no section, and no processor while the disk is read; also of a Held
//
// A section that stays open holds back all memory of its domain, and so does one that waits for the disk.
// Use Hold for what takes long. Offsets and lengths are in bytes.
//
// # Writers
//
// They are serialized, and safe for concurrent use:
//
//	Grow      publishes a longer mapping; waits for no reader
//	Truncate  publishes a shorter one, waits until no reader has a longer one, then truncates
//	Close     publishes none, waits for the readers, then unmaps and closes the descriptor; once
//	Remove    is Close, and removes the file
//
// The life of a mapping, of which a file has one that readers find, and those that readers still have:
//
//	             Open, Grow,              Grow, Truncate,              the last section
//	               Truncate                   Close                     and Held are left
//	(addresses) ──────────────▶ current ────────────────▶ retired ──────────────────────▶ ended
//	                             View, Hold                 (smr.Call)         its addresses are unmapped, if
//	                                                                           no other mapping is in them
//
// Mappings of one file may share addresses: those of one size and a smaller one, or all of them with
// Options.Reserve. The file is mapped beyond its end, and grows beneath. (Idea: the map size of LMDB.)
// A File that outgrows its addresses gets twice as many; so growing it often costs few new mappings.
//
// With Options.Write stores to a view reach the file. Package smrfile orders nothing between readers and
// writers of the same bytes: publish by an smr.Pointer, or an offset in an atomic, what is written. The
// race detector does not see memory that is mapped: it reports nothing there.
//
// # Faults
//
// What this package does makes no view fault: Truncate waits for readers first. But
// another process may truncate the file, the disk may fail, and a store to a hole in the file may find
// the disk full. Then the system ends the program, by SIGBUS, except in Read, where it is a [*FaultError].
// Use Read for files that others write to, and ReadAt or View for your own. A pinned section (smr's Pin)
// must not touch views at all. [docs/sigbus.md] has the rest, and what to do after a fault.
//
// # Errors
//
// All but FaultErrors are [io/fs.PathError]s with the operation and the path. They wrap [ErrRange] for offsets
// and sizes out of range, [io/fs.ErrClosed] after Close, smr.ErrClosed after the domain's Close, the error
// of a context that ended, [ErrGrown], and the system's errors. Where a change fails the file is as it
// was: nothing is lost. Close that fails has closed the file to readers all the same.
//
// # Without mappings
//
// Linux, macOS, FreeBSD, NetBSD and DragonFly map files, also with -tags smr_portable. Elsewhere, on file
// systems that map no files, and with Options.InMemory, a file is read to Go memory: at Open, and what is
// new by Grow. Methods do the same, except that
//
//   - there are no faults: what another process truncates stays;
//   - what is stored to views is written to the file by Sync and Close, all of it;
//   - Grow may copy the file, also with Reserve: what is stored from then on to a view of before is lost,
//     and a Held of before does not show what WriteAt writes.
//
// # What it costs
//
// View is two loads and two comparisons, in a section that costs 5 ns: like a slice in one. See the
// benchmarks. A File costs a few hundred bytes, a descriptor and a mapping; it has no goroutine. A mapping
// that ends costs an munmap, which interrupts the processors that use the address space: grow by much,
// or use Reserve.
//
// # Finding mistakes
//
// Under -tags invariants a view faults as soon as its section has been left, for a while; addresses of a
// mapping that ended are not used again for a minute; and a View in a pinned section, or in one of another
// domain, panics, as does a Close that would wait for its own section. [Quarantine] does part of it in
// production, by sampling.
//
// # Ideas
//
// Replacing the mapping and unmapping the old one when its readers have left is how erigon and weaviate
// keep views of their segments, by counts; Hold is for what those counts are for. Asking the cache before
// reading the disk is what VictoriaMetrics does by mincore. Faults become errors by what Go's
// [runtime/debug.SetPanicOnFault] is for. Keeping addresses shut is GWP-ASan's idea, and erigon's.
//
// [docs/sigbus.md]: https://github.com/gosmr/gosmr/blob/main/docs/sigbus.md
package smrfile

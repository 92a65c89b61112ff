// Package relacq has words with acquire loads and release stores. It alone in this module writes
// shared memory without sync/atomic.
//
// Go's sync/atomic is sequentially consistent, so on amd64 each of its stores is an XCHG: about 5
// ns and a full fence that a section's entry and exit do not need. On linux/amd64 the types here
// store with a plain MOV instead. In every other build (other processors and systems, the race
// detector, an untested Go release, another compiler, -tags smr_portable) they are sync/atomic, and
// Plain is false.
//
// # What a plain MOV gives, and why
//
// The language promises nothing about a store that is not synchronized. These types rely on the
// following, and the tests of package disasm fail if the compiler ever stops doing it:
//
//   - A store through these types is one aligned MOV to memory. It is not dropped, split, repeated
//     or locked.
//   - The compiler keeps it in program order with the loads and stores around it: gc threads all
//     memory operations of a function through one chain of memory states, and never moves a load or
//     a store over a store that it is chained behind.
//   - The processor (x86-TSO) lets no load or store pass an older load, and no store pass an older
//     store: a MOV store is a release, and a MOV load is an acquire. The one reordering left is a
//     load passing an older store to another address. Where that matters the caller pays for a
//     fence on one of the two sides; see package membarrier.
//
// Loads are always sync/atomic: on amd64 that is a plain MOV already.
package relacq

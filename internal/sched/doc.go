// Package sched runs the real code of this module under a controlled scheduler,
// which tries the interleavings of a small program one after the other instead of
// waiting for chance to bring about the bad one.
//
// # Hooks
//
// The packages that share memory import [sync/atomic] and [sync] through
// internal/sched/atomic and internal/sched/sync, and start goroutines and yield
// through this package. In a normal build these are aliases, and functions that are
// inlined: nothing is left of them. With -tags smr_sched each access to a shared
// word, each lock, each fence and each yield is a point at which the scheduler
// decides who goes on.
//
// # What a schedule is made of
//
//   - One goroutine runs at a time. At each point the scheduler lets it go on or
//     runs another one (a preemption).
//   - A store made with package relacq, a plain MOV on linux/amd64, may be delayed:
//     then it stays in the store buffer of its processor, where that processor's
//     own loads find it and nobody else's, until an instruction that drains the
//     buffer (an atomic read-modify-write, an atomic store, a lock, a fence), until
//     somebody executes membarrier(2), or until the scheduler decides to let the
//     oldest store of a buffer become visible. That is x86-TSO (Owens, Sarkar and
//     Sewell, 2009); TestLitmus compares it with that.
//   - Processors are virtual: the program says which goroutine is on which. Pin
//     keeps others off it. When a processor changes to another goroutine, its store
//     buffer drains, as it does in every scheduler. Who blocks or yields while it is
//     pinned fails, as it does in Go's.
//   - Who yields lets another do something first; or not, which is a deviation like
//     a preemption. A yield is no fence: nothing promises that.
//   - Time passes only when nobody can do anything else.
//
// With -tags smr_sched,smr_portable there are no store buffers, as in every build
// where relacq is sync/atomic, and pinning keeps nobody off.
//
// Channels, timers and the rest block for real; [testing/synctest] tells when that
// is so. Whoever wakes somebody by other means than these packages' says so with
// [Wakes]. A function that is handed to somebody who starts a goroutine for it, as
// context.AfterFunc does, is [Detached].
//
// # Search
//
// [Explore] searches depth-first, bounding the number of preemptions and of delayed
// stores taken together, with growing bounds (Musuvathi and Qadeer 2007: most bugs
// need few), and then takes random walks. The body of the program must do the same
// when scheduled the same. A failure is an assertion of the body's, a panic, an end
// in which somebody still waits (a lost wake-up), or more steps than are believable
// (a livelock). It is printed with the schedule, a handful of numbers by which it
// is repeated, and with a trace.
//
// What is not covered: goroutines stay on their processors, timers do not go off while
// others can do something, and a store becomes visible within some hundred steps. Data
// other than the words that these packages instrument is read and written where the
// program does so, and in no other order. Whether it is ordered by those words is for the
// race detector to say, in another build. On processors weaker than x86 every shared word
// is accessed by sync/atomic, whose operations are sequentially consistent (the Go memory
// model), so the portable build's schedules are theirs.
package sched

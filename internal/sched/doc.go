// Package sched runs the module's real code under a controlled scheduler. It does not wait for
// chance to bring about a bad interleaving: it tries those of a small program, one after another.
//
// # Hooks
//
// Packages that share memory import [sync/atomic] and [sync] through internal/sched/atomic and
// internal/sched/sync, and start goroutines and yield through this package. In a normal build
// these are aliases and inlined functions, of which nothing is left. With -tags smr_sched each
// access to a shared word, each lock, fence and yield is a point, at which the scheduler decides
// which goroutine continues.
//
// # What a schedule is made of
//
//   - One goroutine runs at a time. At each point the scheduler lets it continue, or runs another
//     one (a preemption).
//   - A store made with package relacq, a plain MOV on linux/amd64, may be delayed: it then stays
//     in its processor's store buffer, where only that processor's loads find it. It becomes
//     visible when an instruction drains the buffer (an atomic read-modify-write, an atomic store,
//     a lock, a fence), when any goroutine executes membarrier(2), or when the scheduler releases
//     the oldest store of the buffer. That is x86-TSO (Owens, Sarkar and Sewell, 2009), with which
//     TestLitmus compares it.
//   - Processors are virtual: the program assigns goroutines to them. Which one counts as the first
//     changes with the bound and from walk to walk. Pin keeps other goroutines
//     off a processor. A processor that switches goroutines drains its buffer, as it does in every
//     scheduler. A goroutine that blocks or yields while pinned fails, as it does in Go's.
//   - A goroutine that yields lets another one do something first; or not, which is a deviation
//     like a preemption. A yield is no fence, as nothing promises one.
//   - Time passes only when no goroutine can do anything else.
//
// With -tags smr_sched,smr_portable there are no store buffers, as relacq is sync/atomic then,
// and pinning keeps no goroutine off.
//
// Channels, timers and the rest block for real; [testing/synctest] tells when they do. Code that
// wakes a goroutine by other means than these packages' calls [Wakes] first. A function that
// other code will run on a new goroutine, as context.AfterFunc does, is wrapped in [Detached].
//
// # Search
//
// [Explore] searches depth-first, bounding the preemptions and delayed stores of a schedule, with
// growing bounds (Musuvathi and Qadeer 2007: most bugs need few). If that does not try all there
// are, random walks follow: some with a few deviations, some by priorities, which find a bug of any
// depth with a known probability (Burckhardt et al. 2010). With -v it says how far each of them got.
// Scheduled the same, the program must do the same. A failure is a failed assertion, a panic, an
// end at which a goroutine still waits (a lost wake-up), or too many steps (a livelock). It is
// printed with a trace and with its schedule, a handful of numbers that repeat it.
//
// Not covered: goroutines stay on their processors, timers fire only when nothing else can
// happen, and a store becomes visible within some hundred steps. Data outside the instrumented
// words is accessed in program order; whether those words order it is for the race detector to
// say, in another build. On processors weaker than x86 every shared word is accessed by
// sync/atomic, which is sequentially consistent (the Go memory model), so their schedules are
// those of the portable build.
package sched

// Package membarrier is the expensive half of an asymmetric fence.
//
// Two goroutines that each store one word and then load the other's (Dekker's
// pattern) need a full fence on both sides, or both may load the old value. When
// one side runs a thousand times as often as the other, the fence of the
// frequent side can be moved to the rare one: [Barrier] makes every processor
// that runs a thread of this process execute a full fence, at whatever point of
// its program it happens to be. A frequent side that stored before that point
// has its store visible when Barrier returns; one that stores after it loads
// after it as well, and so sees what the rare side stored before Barrier. The
// frequent side keeps its two instructions in program order and pays nothing.
//
// This is Linux's membarrier(2) with MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux
// 4.14), as liburcu uses it. A thread that is not running at the time needs no
// interrupt: switching threads is a full fence on its own.
//
// # A kernel that refuses
//
// Refused from the start (an old kernel, a seccomp filter, gVisor), it is not
// [Available], and both sides use full fences. Refused after it was granted, by a
// sandbox that the program entered meanwhile, it ends the program: a fatal error, which
// no recover catches. By then readers run that do without a fence, and the barrier that
// would let them be told to use one is the one that is refused. What might replace it
// was considered:
//
//   - MEMBARRIER_CMD_GLOBAL is sound, but it is the same system call: what refuses the
//     one refuses the other.
//   - Changing a page's protection, to have the kernel interrupt every processor for its
//     TLB: processors that broadcast invalidations (arm64, recent AMD ones) need no
//     interrupt, and then there is no fence.
//   - Running on each processor in turn, by sched_setaffinity: processors that other
//     threads may use and this one may not are missed, gVisor only pretends, and a
//     sandbox that refuses membarrier may refuse this.
//   - A signal to each thread: the runtime has its handlers, and tells nobody when one
//     has run.
//   - Having the runtime stop the world (runtime.ReadMemStats does): nothing promises
//     that this is a fence in every goroutine, and a pinned caller must not.
//
// So there is no fallback that could be tested as well as what it would replace.
package membarrier

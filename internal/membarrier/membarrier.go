// Package membarrier is the expensive half of an asymmetric fence.
//
// Two goroutines that each store one word and then load the other's (Dekker's pattern) need a full
// fence on both sides, or both may load the old value. When one side runs a thousand times as often
// as the other, the rare side can pay for both: [Barrier] makes every processor that runs a thread
// of this process execute a full fence, at whatever point of its program it happens to be. A
// frequent side that stored before that point has its store visible when Barrier returns; one that
// stores after it loads after it as well, and so sees what the rare side stored before Barrier. The
// frequent side keeps its two instructions in program order and pays nothing.
//
// This is Linux's membarrier(2) with MEMBARRIER_CMD_PRIVATE_EXPEDITED (Linux 4.14), as liburcu uses
// it. A thread that is not running needs no interrupt: switching threads is a full fence.
//
// # A kernel that refuses
//
// Refused from the start (an old kernel, a seccomp filter, gVisor), it is not [Available], and both
// sides use full fences. Refused after it was granted, by a sandbox that the program entered
// meanwhile, it ends the program with a fatal error that no recover catches: readers already run
// without a fence, and only the refused barrier could make them switch. Rejected as fallbacks:
//
//   - MEMBARRIER_CMD_GLOBAL: the same system call, refused with the other.
//   - Changing a page's protection, so that the kernel interrupts every processor for its TLB: no
//     interrupt where processors broadcast invalidations (arm64, recent AMD).
//   - Running on each processor in turn, by sched_setaffinity: misses processors that only other
//     threads may use, gVisor only pretends, and the sandbox may refuse it, too.
//   - A signal to each thread: the runtime owns the handlers, and does not tell when one has run.
//   - Stopping the world (runtime.ReadMemStats does): nothing promises a fence in every goroutine,
//     and a pinned caller must not.
package membarrier

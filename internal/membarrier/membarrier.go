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
package membarrier

//go:build !smr_sched

package membarrier

import (
	"sync"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2), from linux/membarrier.h.
const (
	cmdQuery                    = 0
	cmdPrivateExpedited         = 1 << 3
	cmdRegisterPrivateExpedited = 1 << 4
)

// Available reports whether [Barrier] works here. The first call asks the
// kernel, registers the process and tries one barrier; old kernels, seccomp
// filters and gVisor refuse at one of the three, each with its own error, and
// all of them mean the same: use full fences on both sides.
func Available() bool { return available() }

var available = sync.OnceValue(func() bool {
	supported, ok := membarrier(cmdQuery)
	const need = cmdPrivateExpedited | cmdRegisterPrivateExpedited
	if !ok || supported&need != need {
		return false
	}
	if _, ok := membarrier(cmdRegisterPrivateExpedited); !ok {
		return false
	}
	_, ok = membarrier(cmdPrivateExpedited)
	return ok
})

// Barrier executes a full fence on every processor that runs a thread of this
// process, this one included. It panics if the kernel refuses, which after
// [Available] reported true would mean that memory is about to be freed under
// a reader. Cost: 0.1 µs when no other thread runs, else an interrupt to each
// such processor, 1 to 3 µs.
func Barrier() {
	if _, ok := membarrier(cmdPrivateExpedited); !ok {
		panic("membarrier: the kernel refused a barrier that it granted before")
	}
}

// membarrier uses a raw system call, which keeps the processor: the caller may
// be pinned. Usually it is over in microseconds; kernels since 6.8 make barriers
// of different processes wait for one another.
func membarrier(cmd uintptr) (result uintptr, ok bool) {
	r, _, errno := unix.RawSyscall(unix.SYS_MEMBARRIER, cmd, 0, 0)
	return r, errno == 0
}

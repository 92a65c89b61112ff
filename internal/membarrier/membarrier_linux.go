//go:build !smr_sched

package membarrier

import (
	"fmt"
	"os"
	"runtime/debug"
	"sync"

	"golang.org/x/sys/unix"
)

// Commands of membarrier(2), from linux/membarrier.h.
const (
	cmdQuery                    = 0
	cmdPrivateExpedited         = 1 << 3
	cmdRegisterPrivateExpedited = 1 << 4
)

// Available reports whether [Barrier] works here. The first call asks the kernel, registers the
// process and tries one barrier. Old kernels, seccomp filters and gVisor refuse one of the three,
// each with its own error.
func Available() bool { return available() }

var available = sync.OnceValue(func() bool {
	supported, errno := membarrier(cmdQuery)
	const need = cmdPrivateExpedited | cmdRegisterPrivateExpedited
	if errno != 0 || supported&need != need {
		return false
	}
	if _, errno := membarrier(cmdRegisterPrivateExpedited); errno != 0 {
		return false
	}
	_, errno = membarrier(cmdPrivateExpedited)
	return errno == 0
})

// Barrier executes a full fence on every processor that runs a thread of this process, this one
// included. If the kernel refuses what [Available] reported, it ends the program: see the package
// doc.
//
// Cost: 0.1 µs when no other thread runs, else an interrupt to each such processor, 1 to 3 µs.
func Barrier() {
	if _, errno := membarrier(cmdPrivateExpedited); errno != 0 {
		refused(errno)
	}
}

// refused ends the program as a throw of the runtime does: with a stack, and with no chance to
// recover. It may be called pinned.
//
//go:noinline
func refused(errno unix.Errno) {
	fmt.Fprintf(os.Stderr, `fatal error: smr: the kernel refuses membarrier(2), which it granted before: %v

A sandbox was put around this program after it had begun to use smr. Readers rely on
that call, so memory could be freed while they read it. Either have the sandbox allow
membarrier (system call %d), or install it before the first domain is made, or build
with -tags smr_portable.

%s`, errno, unix.SYS_MEMBARRIER, debug.Stack())
	os.Exit(2)
}

// membarrier uses a raw system call, which keeps the processor: the caller may be pinned. Usually
// it takes microseconds; kernels since 6.8 make barriers of different processes wait for one
// another.
func membarrier(cmd uintptr) (result uintptr, errno unix.Errno) {
	return retry(func() (uintptr, unix.Errno) {
		result, _, errno := unix.RawSyscall(unix.SYS_MEMBARRIER, cmd, 0, 0)
		return result, errno
	})
}

// tries is how often a call that finds no memory is made.
const tries = 1000

// retry makes a system call again while it returns ENOMEM. That is no refusal: the kernel may be
// short of memory for a moment.
func retry(call func() (uintptr, unix.Errno)) (result uintptr, errno unix.Errno) {
	for range tries {
		if result, errno = call(); errno != unix.ENOMEM {
			break
		}
	}
	return result, errno
}

//go:build invariants && !race

package pages

import "golang.org/x/sys/unix"

// protectLent is protect for a goroutine that may be pinned: it keeps its processor meanwhile.
func protectLent(b block, prot int) error {
	if _, _, errno := unix.RawSyscall(unix.SYS_MPROTECT, uintptr(b.p), b.size, uintptr(prot)); errno != 0 {
		return errno
	}
	return nil
}

//go:build linux && !smr_sched

package membarrier

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestAvailable_AsTheKernelSays(t *testing.T) {
	const query, expedited, register = 0, 8, 16
	supported, _, errno := unix.Syscall(unix.SYS_MEMBARRIER, query, 0, 0)
	want := errno == 0 && supported&expedited != 0 && supported&register != 0
	require.Equal(t, want, Available())
}

// A kernel that is out of memory for a moment does not end the program.
func TestRetry_WhileThereIsNoMemory(t *testing.T) {
	for _, c := range []struct {
		name  string
		fails int // with ENOMEM, before err
		err   unix.Errno
		calls int
	}{
		{"at once", 0, 0, 1},
		{"out of memory for a moment", 3, 0, 4},
		{"refused", 0, unix.EPERM, 1},
		{"refused after a moment", 2, unix.EPERM, 3},
		{"out of memory for good", 2 * tries, 0, tries},
	} {
		t.Run(c.name, func(t *testing.T) {
			calls, want := 0, c.err
			if c.fails >= tries {
				want = unix.ENOMEM
			}
			result, err := retry(func() (uintptr, unix.Errno) {
				if calls++; calls <= c.fails {
					return 0, unix.ENOMEM
				}
				return 7, c.err
			})
			require.Equal(t, want, err)
			require.Equal(t, c.calls, calls)
			if err == 0 {
				require.EqualValues(t, 7, result)
			}
		})
	}
}

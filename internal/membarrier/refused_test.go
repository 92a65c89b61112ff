//go:build linux && !smr_sched

package membarrier

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/sandbox"
	"github.com/gosmr/gosmr/internal/self"
)

// inChild runs the calling test again in a process of its own, which calls fn. It
// returns what that printed and how it ended.
func inChild(t *testing.T, fn func()) (out string, err error) {
	const env = "MEMBARRIER_TEST_CHILD"
	if os.Getenv(env) != "" {
		fn()
		os.Exit(0)
	}
	cmd := self.Command("-test.run", "^"+t.Name()+"$", "-test.timeout", "30s")
	cmd.Env = append(os.Environ(), env+"=1")
	text, err := cmd.CombinedOutput()
	return string(text), err
}

// refuse exits where the kernel has no seccomp.
func refuse() {
	if err := sandbox.RefuseMembarrier(); err != nil {
		fmt.Println("SKIP", err)
		os.Exit(0)
	}
}

func TestAvailable_RefusedFromTheStart(t *testing.T) {
	out, err := inChild(t, func() {
		refuse()
		fmt.Println("available:", Available())
	})
	require.NoError(t, err, out)
	if reason, ok := skipped(out); ok {
		t.Skip(reason)
	}
	require.Contains(t, out, "available: false")
}

// Nothing goes on after a barrier that was refused, whatever recovers around it.
func TestBarrier_RefusedAfterGrantedEndsTheProgram(t *testing.T) {
	if !Available() {
		t.Skip("the kernel offers no membarrier")
	}
	out, err := inChild(t, func() {
		Barrier()
		refuse()
		defer fmt.Println("went on: deferred")
		func() {
			defer func() { fmt.Println("went on:", recover()) }()
			Barrier()
		}()
	})
	if reason, ok := skipped(out); ok {
		t.Skip(reason)
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, out)
	require.Equal(t, 2, exit.ExitCode(), out)
	require.NotContains(t, out, "went on")
	require.Contains(t, out, "fatal error: smr: the kernel refuses membarrier(2), which it granted before: operation not permitted")
	require.Contains(t, out, "-tags smr_portable")
	require.Contains(t, out, "refused_test.go", "the stack of the caller")
}

// skipped returns why the child did nothing, if it did nothing.
func skipped(out string) (reason string, ok bool) { return strings.CutPrefix(out, "SKIP ") }

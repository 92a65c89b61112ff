//go:build linux && !smr_sched

package smr

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sandbox"
	"github.com/gosmr/gosmr/internal/self"
)

// inSandbox runs the calling test again in a process of its own, which calls fn, and
// returns what that printed and how it ended. fn enters the sandbox by calling refuse.
func inSandbox(t *testing.T, fn func(refuse func())) (out string, err error) {
	const env = "SMR_TEST_SANDBOX"
	if os.Getenv(env) != "" {
		fn(func() {
			if err := sandbox.RefuseMembarrier(); err != nil {
				fmt.Println("SKIP", err)
				os.Exit(0)
			}
		})
		os.Exit(0)
	}
	cmd := self.Command("-test.run", "^"+t.Name()+"$", "-test.timeout", watchdog.String())
	cmd.Env = append(os.Environ(), env+"=1")
	text, err := cmd.CombinedOutput()
	if _, reason, ok := strings.Cut("\n"+string(text), "\nSKIP "); ok {
		t.Skip(reason)
	}
	return string(text), err
}

// useDomain waits and calls back beside a reader, and prints what went wrong.
func useDomain(d *Domain) {
	ctx := context.Background()
	ran := false
	s := enterElsewhere(d)
	d.CallFunc(8, func() { ran = true })
	go s.Leave()
	fmt.Println(d.Synchronize(ctx), d.Barrier(ctx), ran)
}

// A kernel that refuses membarrier from the start has readers fence for themselves.
func TestSandbox_RefusedFromTheStart(t *testing.T) {
	out, err := inSandbox(t, func(refuse func()) {
		refuse()
		d, err := New(Options{})
		fmt.Println(err, membarrier.Available())
		useDomain(d)
		fmt.Println(d.Close(context.Background()))
	})
	require.NoError(t, err, out)
	require.Equal(t, "<nil> false\n<nil> <nil> true\n<nil>\n", out)
}

// One that refuses it later ends the program, also where the user recovers from panics,
// as a HTTP server does: going on would free memory under its readers.
func TestSandbox_RefusedAfterGranted(t *testing.T) {
	if !membarrier.Available() {
		t.Skip("the kernel offers no membarrier")
	}
	out, err := inSandbox(t, func(refuse func()) {
		d, _ := New(Options{})
		useDomain(d)
		refuse()
		func() {
			defer func() {
				if p := recover(); p != nil {
					fmt.Println("recovered:", p)
				}
			}()
			useDomain(d)
		}()
		fmt.Println("went on")
	})
	if !relacq.Plain { // it is not used
		require.NoError(t, err, out)
		require.Equal(t, "<nil> <nil> true\n<nil> <nil> true\nwent on\n", out)
		return
	}
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit, out)
	require.Equal(t, 2, exit.ExitCode(), out)
	require.Contains(t, out, "<nil> <nil> true\nfatal error: smr: the kernel refuses membarrier(2)")
	require.NotContains(t, out, "went on")
	require.NotContains(t, out, "recovered")
}

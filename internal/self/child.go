package self

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
)

const (
	child  = "SMR_TEST_CHILD"
	reason = "can't be tried: "
)

// InChild runs fn, the whole of a test, in a process of its own: for what can't be undone, such as
// a limit on the process. fn fails the test as any test function does. It returns why the test
// must be skipped here, or "".
func InChild(t *testing.T, fn func() (skip string)) {
	t.Helper()
	if os.Getenv(child) != "" {
		if skip := fn(); skip != "" {
			fmt.Println(reason + skip)
		}
		return
	}
	cmd := commandOf(t, "-test.v")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	if _, skip, ok := strings.Cut(string(out), reason); ok {
		skip, _, _ = strings.Cut(skip, "\n")
		t.Skip(skip)
	}
}

// Dies runs fn, the whole of a test, in a process of its own, which fn must end: by a fatal error,
// say. It returns what that process prints.
func Dies(t *testing.T, fn func()) (out string) {
	t.Helper()
	if os.Getenv(child) != "" {
		fn()
		os.Exit(0)
	}
	text, err := commandOf(t).CombinedOutput()
	if err == nil {
		t.Fatalf("the process does not die:\n%s", text)
	}
	return string(text)
}

// commandOf returns the command that runs the test in a process of its own. What that leaves in its
// temporary directories when it dies goes with the test's.
func commandOf(t *testing.T, args ...string) *exec.Cmd {
	cmd := Command(append(args, "-test.run", "^"+strings.ReplaceAll(t.Name(), "/", "$/^")+"$", "-test.timeout", "3m")...)
	temp := t.TempDir()
	cmd.Env = append(os.Environ(), child+"=1", "TMPDIR="+temp, "TMP="+temp)
	return cmd
}

// Settle provides Go's runtime with heap, what describes its parts, and threads, so that it needs no
// more memory from the system for a while: it ends the process if the system refuses.
func Settle() {
	heap := make([][]byte, 1000)
	for i := range heap {
		heap[i] = make([]byte, 33<<10) // each a span of its own
	}
	runtime.KeepAlive(heap)
	heap = nil
	runtime.GC()
	debug.SetGCPercent(-1)
	const threads = 16
	var started, ended sync.WaitGroup
	started.Add(threads)
	for range threads {
		ended.Go(func() {
			runtime.LockOSThread()
			defer runtime.UnlockOSThread()
			started.Done()
			started.Wait()
		})
	}
	ended.Wait()
}

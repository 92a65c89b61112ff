package self

import (
	"fmt"
	"os"
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

// InChild runs fn, the whole of a test, in a process of its own: for what can't be undone,
// such as a limit of the process. fn fails the test as any test function does; it returns
// why what it is for can't be tried here, or "".
func InChild(t *testing.T, fn func() (skip string)) {
	t.Helper()
	if os.Getenv(child) != "" {
		if skip := fn(); skip != "" {
			fmt.Println(reason + skip)
		}
		return
	}
	cmd := Command("-test.run", "^"+t.Name()+"$", "-test.timeout", "1m", "-test.v")
	cmd.Env = append(os.Environ(), child+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS") {
		t.Fatalf("in a process of its own: %v\n%s", err, out)
	}
	if _, skip, ok := strings.Cut(string(out), reason); ok {
		skip, _, _ = strings.Cut(skip, "\n")
		t.Skip(skip)
	}
}

// Settle sees to that Go's runtime needs no more memory of the system for a while, for its
// heap and threads: it ends the process where it gets none.
func Settle() {
	heap := make([]byte, 32<<20)
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

package smrfile

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// pattern returns n bytes, each of which tells its place.
func pattern(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i>>8 ^ i*7 | 1)
	}
	return b
}

// tempFile returns the path of a new file of n bytes of pattern.
func tempFile(t testing.TB, n int) string {
	path := filepath.Join(t.TempDir(), "data")
	require.NoError(t, os.WriteFile(path, pattern(n), 0o666))
	return path
}

// opened returns an open file of n bytes of pattern, which is closed when the test ends.
func opened(t testing.TB, n int, o Options) *File {
	return openedAt(t, testkit.Domain(t), tempFile(t, n), o)
}

func openedAt(t testing.TB, d *smr.Domain, path string, o Options) *File {
	f, err := Open(d, path, o)
	require.NoError(t, err)
	t.Cleanup(func() { f.Close(over()) }) // it ends as the domain is closed
	return f
}

// variants runs a test with files that are mapped and files in memory.
func variants(t *testing.T, o Options, test func(t *testing.T, o Options)) {
	if canMap {
		t.Run("Mapped", func(t *testing.T) { test(t, o) })
	}
	t.Run("InMemory", func(t *testing.T) {
		o.InMemory = true
		test(t, o)
	})
}

// spins skips where goroutines that run all the time keep a file's system calls from ending.
func spins(t testing.TB) {
	if runtime.GOOS == "js" {
		t.Skip("one thread has the goroutines and the system calls")
	}
}

// mapped skips where files can't be mapped.
func mapped(t testing.TB) {
	if !canMap {
		t.Skip("this system maps no files")
	}
}

// requireView requires that n bytes from off are there, and are want's.
func requireView(t testing.TB, f *File, off int64, want []byte) {
	t.Helper()
	s := f.Enter()
	defer s.Leave()
	b, err := f.View(s, off, len(want))
	require.NoError(t, err)
	require.True(t, bytes.Equal(want, b), "the contents are others")
}

// borrow views the start of the file on another goroutine, so that the caller may wait, also under -tags
// invariants, until it calls leave.
func borrow(t testing.TB, f *File, n int) (b []byte, leave func()) {
	t.Helper()
	viewed := make(chan error)
	left := make(chan struct{})
	go func() {
		s := f.Enter()
		var err error
		b, err = f.View(s, 0, n)
		viewed <- err
		<-left
		s.Leave()
		close(viewed)
	}()
	require.NoError(t, <-viewed)
	leave = sync.OnceFunc(func() {
		close(left)
		<-viewed
	})
	t.Cleanup(leave)
	return b, leave
}

func requireDiskSize(t testing.TB, f *File, want int64) {
	t.Helper()
	info, err := os.Stat(f.path)
	require.NoError(t, err)
	require.Equal(t, want, info.Size())
}

// over returns a context that has ended.
func over() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}

// settle lets callbacks run that wait for no Held.
func settle(t testing.TB, d *smr.Domain) {
	t.Helper()
	for range 3 {
		ran := make(chan struct{})
		d.CallFunc(0, func() { close(ran) })
		d.Flush()
		select {
		case <-ran:
		case <-testkit.Context(t).Done():
			t.Fatal("a callback does not run")
		}
	}
}

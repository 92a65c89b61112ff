package smrfile

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

func TestTruncate(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		ctx := testkit.Context(t)
		require.NoError(t, f.Truncate(ctx, 10000))
		require.NoError(t, f.Truncate(ctx, 5000))
		requireView(t, f, 0, pattern(5000))
		s := f.Enter()
		_, err := f.View(s, 4999, 2)
		require.ErrorIs(t, err, ErrRange)
		s.Leave()
		requireDiskSize(t, f, 5000)
		require.ErrorIs(t, f.Truncate(ctx, 5001), ErrRange)
		require.ErrorIs(t, f.Truncate(ctx, -1), ErrRange)
		require.NoError(t, f.Grow(10000)) // what was truncated does not come back
		requireView(t, f, 0, append(pattern(5000), make([]byte, 5000)...))
	})
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		require.ErrorContains(t, f.Truncate(testkit.Context(t), 10), "Options.Write")
		requireView(t, f, 0, pattern(100))
	})
}

// While a section has the file as it was nothing is truncated, and a Truncate that gives up has done
// nothing.
func TestTruncate_WaitsForSections(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 100000, o)
		b, leave := borrow(t, f, 100000)
		err := f.Truncate(over(), 10)
		require.ErrorIs(t, err, context.Canceled)
		require.ErrorContains(t, err, "section")
		requireDiskSize(t, f, 100000)
		require.NoError(t, access(f, b, func() { require.Equal(t, pattern(100000), b) }))
		require.EqualValues(t, 100000, f.Size())
		requireView(t, f, 0, pattern(100000))

		done := make(chan error, 1)
		go func() { done <- f.Truncate(testkit.Context(t), 10) }()
		for f.Size() != 10 { // it is published
			runtime.Gosched()
		}
		requireDiskSize(t, f, 100000)
		require.NoError(t, access(f, b, func() { require.Equal(t, pattern(100000), b) }))
		leave()
		require.NoError(t, <-done)
		requireDiskSize(t, f, 10)
	})
}

// So, too, while a mapping is held, also one that was retired by a Grow before.
func TestTruncate_WaitsForHolds(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 100000, o)
		s := f.Enter()
		h := f.Hold(s)
		s.Leave()
		defer func() {
			if h.Active() { // the test has failed
				h.Release()
			}
		}()
		require.NoError(t, f.Grow(300000))
		settle(t, f.Domain())
		for range 3 {
			ctx, cancel := context.WithCancel(testkit.Context(t))
			done := make(chan error, 1)
			go func() { done <- f.Truncate(ctx, 50000) }()
			for f.Size() != 50000 {
				runtime.Gosched()
			}
			settle(t, f.Domain())
			requireDiskSize(t, f, 300000)
			require.NoError(t, h.Read(0, 100000, func(b []byte) error {
				require.Equal(t, pattern(100000), b)
				return nil
			}))
			cancel()
			require.ErrorIs(t, <-done, context.Canceled)
			require.EqualValues(t, 300000, f.Size())
		}
		h.Release()
		require.NoError(t, f.Truncate(testkit.Context(t), 50000))
		requireDiskSize(t, f, 50000)
	})
}

// A Truncate does not hold up Close, and is undone.
func TestTruncate_ClosedMeanwhile(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 1000, o)
		s := testkit.Enter(f.Domain())
		done := make(chan error, 2)
		go func() { done <- f.Truncate(context.Background(), 10) }()
		for f.SizeIn(s) != 10 {
			runtime.Gosched()
		}
		go func() { done <- f.Close(testkit.Context(t)) }()
		require.ErrorIs(t, <-done, fs.ErrClosed) // of Truncate: Close waits for s
		settleBehind(f)
		_, err := f.View(s, 0, 0)
		require.ErrorIs(t, err, fs.ErrClosed)
		s.Leave()
		require.NoError(t, <-done)
		requireDiskSize(t, f, 1000)
	})
}

// A Grow, in a section or not, waits for no Truncate that waits for the section, nor do other writers.
func TestGrow_BeforeTruncate(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		s := testkit.Enter(f.Domain())
		leave := sync.OnceFunc(s.Leave)
		defer leave()
		b, err := f.View(s, 5000, 3)
		require.NoError(t, err)
		done := make(chan error, 1)
		truncate := func() {
			go func() { done <- f.Truncate(testkit.Context(t), 10) }()
			for f.SizeIn(s) != 10 {
				runtime.Gosched()
			}
		}
		truncate()
		_, err = f.WriteAt([]byte("abc"), 7)
		require.NoError(t, err)
		_, err = f.WriteAt([]byte("abc"), 8)
		require.ErrorIs(t, err, ErrRange)
		copy(b, "def")
		require.NoError(t, f.Sync())
		for _, size := range []int64{10, 20, 9999} {
			require.ErrorIs(t, f.Grow(size), ErrRange, "the file has its size yet")
		}
		if o.InMemory {
			require.ErrorIs(t, f.Grow(mostMemory+1), ErrRange)
		}
		require.EqualValues(t, 10, f.SizeIn(s))
		require.NoError(t, f.Grow(10000))
		require.ErrorIs(t, <-done, ErrGrown)
		want := pattern(10000)
		copy(want[7:], "abc")
		copy(want[5000:], "def")
		requireView(t, f, 0, want)
		read, err := os.ReadFile(f.path)
		require.NoError(t, err)
		require.Equal(t, want, read)

		truncate()
		require.NoError(t, f.Grow(20000))
		require.ErrorIs(t, <-done, ErrGrown)
		requireView(t, f, 0, append(want, make([]byte, 10000)...))
		leave()
		requireDiskSize(t, f, 20000)
		require.NoError(t, f.Truncate(testkit.Context(t), 10))
		requireDiskSize(t, f, 10)
	})
}

// What others have truncated is neither extended nor hidden: a fault stays one, and Truncate mends it.
func TestTruncate_ForeignTruncation(t *testing.T) {
	for _, reserve := range []int64{0, 1 << 20} {
		f := truncated(t, Options{Write: true, Reserve: reserve})
		left := int64(pageSize)
		ctx := testkit.Context(t)
		for _, err := range []error{
			f.Grow(10 * left), f.Truncate(ctx, 2*left), f.Truncate(ctx, left+1), f.Truncate(ctx, 3*left),
		} {
			var fault *FaultError
			require.ErrorAs(t, err, &fault)
			require.Equal(t, left, fault.Off)
			require.ErrorIs(t, err, io.ErrUnexpectedEOF)
			requireDiskSize(t, f, left)
			require.Equal(t, 3*left, f.Size())
		}
		require.NoError(t, f.Truncate(ctx, left))
		require.NoError(t, f.Grow(2*left))
		requireView(t, f, 0, append(pattern(pageSize), make([]byte, pageSize)...))
	}
}

// What others have appended goes, too.
func TestTruncate_ToItsSize(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		require.NoError(t, os.Truncate(f.path, 200))
		require.NoError(t, f.Truncate(testkit.Context(t), 100))
		requireDiskSize(t, f, 100)
		requireView(t, f, 0, pattern(100))
	})
}

// Where the system does not truncate nothing has happened, unless it has.
func TestTruncate_SystemFails(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		old := ftruncate
		t.Cleanup(func() { ftruncate = old })
		f := opened(t, 10000, o)
		ctx := testkit.Context(t)
		broken := errors.New("broken")
		ftruncate = func(*os.File, int64) error { return broken }
		require.ErrorIs(t, f.Truncate(ctx, 10), broken)
		requireDiskSize(t, f, 10000)
		requireView(t, f, 0, pattern(10000))
		ftruncate = func(file *os.File, size int64) error { return errors.Join(old(file, size), broken) }
		require.ErrorIs(t, f.Truncate(ctx, 10), broken)
		requireDiskSize(t, f, 10)
		requireView(t, f, 0, pattern(10))
		require.EqualValues(t, 10, f.Size())
		ftruncate = old
		require.NoError(t, f.Grow(20))
		requireView(t, f, 0, append(pattern(10), make([]byte, 10)...))
	})
}

// A second Truncate waits for the first, or gives up.
func TestTruncate_Twice(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 1000, o)
		s := testkit.Enter(f.Domain())
		leave := sync.OnceFunc(s.Leave)
		defer leave()
		done := make(chan error, 3)
		go func() { done <- f.Truncate(testkit.Context(t), 100) }()
		for f.Size() != 100 {
			runtime.Gosched()
		}
		require.ErrorIs(t, f.Truncate(over(), 10), context.Canceled)
		go func() { done <- f.Truncate(testkit.Context(t), 10) }()
		leave()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		requireDiskSize(t, f, 10)

		s = testkit.Enter(f.Domain())
		leave = sync.OnceFunc(s.Leave)
		defer func() { leave() }()
		for range 3 {
			go func() { done <- f.Truncate(testkit.Context(t), 5) }()
		}
		for f.Size() != 5 {
			runtime.Gosched()
		}
		closed := make(chan error)
		go func() { closed <- f.Close(over()) }()
		require.ErrorIs(t, <-closed, context.Canceled)
		for range 3 {
			require.ErrorIs(t, <-done, fs.ErrClosed)
		}
		leave()
		<-f.ended
		requireDiskSize(t, f, 10)
	})
}

// In a callback a Truncate is refused, also a second one, which would wait for the first. In a section it
// panics under -tags invariants.
func TestTruncate_InCallback(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 1000, o)
		s := f.Enter()
		h := f.Hold(s)
		release := sync.OnceFunc(h.Release)
		defer release()
		if invariants.Enabled {
			require.Panics(t, func() { f.Truncate(over(), 100) })
		}
		s.Leave()
		refused := func() {
			t.Helper()
			err := make(chan error, 1)
			f.dom.CallFunc(0, func() { err <- f.Truncate(over(), 10) })
			f.dom.Flush()
			require.ErrorIs(t, <-err, smr.ErrInCallback)
		}
		refused()
		done := make(chan error, 1)
		go func() { done <- f.Truncate(testkit.Context(t), 100) }()
		for f.Size() != 100 {
			runtime.Gosched()
		}
		refused()
		release()
		require.NoError(t, <-done)
		requireDiskSize(t, f, 100)
	})
}

// A WriteAt that is under way does not make a file longer that is truncated meanwhile.
func TestWriteAt_HoldsBackTruncate(t *testing.T) {
	mapped(t)
	f := opened(t, 10000, Options{Write: true})
	old := pwrite
	t.Cleanup(func() { pwrite = old })
	pwrite = func(file *os.File, p []byte, off int64) (int, error) {
		requireNoTruncate(t, f)
		return old(file, p, off)
	}
	_, err := f.WriteAt([]byte("abc"), 9997)
	require.NoError(t, err)
	requireDiskSize(t, f, 10000)
	pwrite = old
	require.NoError(t, f.Truncate(testkit.Context(t), 10))
	_, err = f.WriteAt([]byte("abc"), 9997)
	require.ErrorIs(t, err, ErrRange)
}

// A ReadAt that is under way does not take the end, which a Truncate has made, for one by others.
func TestReadAt_HoldsBackTruncate(t *testing.T) {
	mapped(t)
	f := opened(t, 10000, Options{Write: true})
	f.noCache.Store(true)
	old := pread
	t.Cleanup(func() { pread = old })
	pread = func(file *os.File, p []byte, off int64) (int, error) {
		requireNoTruncate(t, f)
		return old(file, p, off)
	}
	p := make([]byte, 10000)
	_, err := f.ReadAt(p, 0)
	require.NoError(t, err)
	require.Equal(t, pattern(10000), p)
}

// requireNoTruncate requires that a Truncate waits for what the caller holds, beside sections.
func requireNoTruncate(t *testing.T, f *File) {
	before := f.Size()
	ctx, cancel := context.WithCancel(testkit.Context(t))
	done := make(chan error, 1)
	go func() { done <- f.Truncate(ctx, 10) }()
	for f.Size() != 10 {
		runtime.Gosched()
	}
	settle(t, f.Domain())
	f.mu.Lock()
	live := len(f.live)
	f.mu.Unlock()
	cancel()
	require.ErrorIs(t, <-done, context.Canceled)
	require.Equal(t, 2, live, "nothing holds the mapping")
	requireDiskSize(t, f, before)
}

func TestTruncate_OpenForReading(t *testing.T) {
	f := opened(t, 100, Options{})
	require.ErrorIs(t, f.Truncate(testkit.Context(t), 50), fs.ErrPermission)
	requireDiskSize(t, f, 100)
}

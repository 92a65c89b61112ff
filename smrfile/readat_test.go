package smrfile

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"runtime"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
)

func TestReadAt_IsReaderAt(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		for _, n := range []int{0, 1, 20, 5000} {
			f := opened(t, n, o)
			requireReaderAt(t, f, n)
			s := f.Enter()
			h := f.Hold(s)
			s.Leave()
			defer h.Release()
			requireReaderAt(t, h, n)
		}
	})
}

// requireReaderAt requires that r reads n bytes of pattern.
func requireReaderAt(t *testing.T, r io.ReaderAt, n int) {
	t.Helper()
	require.NoError(t, iotest.TestReader(io.NewSectionReader(r, 0, int64(n)), pattern(n)))
	p := make([]byte, 10)
	for _, off := range []int64{int64(n), int64(n) + 1, 1 << 62} {
		got, err := r.ReadAt(p, off)
		require.Zero(t, got)
		require.Equal(t, io.EOF, err)
	}
	_, err := r.ReadAt(p, -1)
	require.ErrorIs(t, err, ErrRange)
	if n < len(p) {
		return
	}
	got, err := r.ReadAt(p, int64(n)-4)
	require.Equal(t, 4, got)
	require.Equal(t, io.EOF, err)
	got, err = r.ReadAt(p, int64(n)-10)
	require.Equal(t, 10, got)
	require.NoError(t, err)
	require.Equal(t, pattern(n)[n-10:], p)
	got, err = r.ReadAt(nil, 0)
	require.Zero(t, got)
	require.NoError(t, err)
}

// A ReadAt of what is held reads the file as it was, whatever becomes of it here.
func TestReadAt_Held(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 5000, o)
		s := f.Enter()
		h := f.Hold(s)
		s.Leave()
		release := sync.OnceFunc(h.Release)
		defer release()
		require.NoError(t, f.Grow(9000))
		requireReaderAt(t, h, 5000)
		done := make(chan error, 1)
		go func() { done <- f.Truncate(testkit.Context(t), 10) }()
		for f.Size() != 10 {
			runtime.Gosched()
		}
		requireReaderAt(t, h, 5000)
		require.ErrorIs(t, f.Close(over()), context.Canceled)
		require.ErrorIs(t, <-done, fs.ErrClosed)
		requireReaderAt(t, h, 5000)
		f.noCache.Store(true)
		requireReaderAt(t, h, 5000)
		release()
		_, err := h.ReadAt(make([]byte, 1), 0)
		require.ErrorIs(t, err, fs.ErrClosed)
		_, err = Held{}.ReadAt(nil, 0)
		require.ErrorIs(t, err, fs.ErrClosed)
	})
}

// What others have truncated is a fault, by a hold, too.
func TestReadAt_HeldForeignTruncation(t *testing.T) {
	f := truncated(t, Options{})
	s := f.Enter()
	h := f.Hold(s)
	s.Leave()
	defer h.Release()
	p := make([]byte, 2*pageSize)
	n, err := h.ReadAt(p, 0)
	require.Equal(t, pageSize, n)
	var fault *FaultError
	require.ErrorAs(t, err, &fault)
	require.EqualValues(t, pageSize, fault.Off)
}

// ReadAt shows what View does, not what others append.
func TestReadAt_EndsWithTheView(t *testing.T) {
	f := opened(t, 1000, Options{Write: true})
	require.NoError(t, f.file.Truncate(2000))
	n, err := f.ReadAt(make([]byte, 1500), 0)
	require.Equal(t, 1000, n)
	require.Equal(t, io.EOF, err)
}

// Where the system does not tell what it has in memory, ReadAt reads all the same.
func TestReadAt_WithoutCache(t *testing.T) {
	f := opened(t, 100000, Options{})
	f.noCache.Store(true)
	p := make([]byte, 100000)
	_, err := f.ReadAt(p, 0)
	require.NoError(t, err)
	require.Equal(t, pattern(100000), p)
}

// What is long is copied in pieces: no section is that long.
func TestReadAt_Long(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		const n = 2*mostCached + 10
		f := opened(t, n, o)
		p := make([]byte, n+5)
		got, err := f.ReadAt(p, 3)
		require.Equal(t, io.EOF, err)
		require.Equal(t, n-3, got)
		require.True(t, bytes.Equal(pattern(n)[3:], p[:got]))
	})
}

// A ReadAt beside Truncate, Grow and Close has the file's bytes, an end, or an error; never another's.
func TestReadAt_BesideWriters(t *testing.T) {
	spins(t)
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		const n = 50000
		all := append(pattern(n), 0) // as it grows
		d := testkit.Domain(t)
		for range testkit.Rounds(10) {
			f := openedAt(t, d, tempFile(t, n), o)
			var readers sync.WaitGroup
			for range 2 {
				readers.Go(func() {
					p := make([]byte, 1000)
					for off := int64(0); ; off = (off + 777) % n {
						got, err := f.ReadAt(p, off)
						for i, b := range all[off:][:got] {
							if p[i] != b && p[i] != 0 {
								t.Errorf("another's byte at %d", off+int64(i))
								return
							}
						}
						var fault *FaultError
						if err != nil && err != io.EOF {
							if errors.As(err, &fault) {
								t.Error(err)
							}
							return
						}
					}
				})
			}
			ctx := testkit.Context(t)
			for size := int64(n); size > 1000; size /= 3 {
				require.NoError(t, f.Truncate(ctx, size))
				require.NoError(t, f.Grow(size+1))
			}
			require.NoError(t, f.Close(ctx))
			readers.Wait()
		}
	})
}

package smrfile

import (
	"context"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit"
)

func TestView_Contents(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		all := pattern(10000)
		for _, r := range [][2]int{{0, 10000}, {0, 0}, {10000, 0}, {9999, 1}, {4095, 2}, {4096, 4096}} {
			requireView(t, f, int64(r[0]), all[r[0]:][:r[1]])
		}
		require.EqualValues(t, 10000, f.Size())
	})
}

// An append to a view must not write behind it.
func TestView_HasNoCapacityBeyond(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		s := f.Enter()
		defer s.Leave()
		b, err := f.View(s, 10, 20)
		require.NoError(t, err)
		require.Equal(t, len(b), cap(b))
		h := f.Hold(s)
		defer h.Release()
		b, err = h.View(10, 20)
		require.NoError(t, err)
		require.Equal(t, len(b), cap(b))
	})
}

func TestView_OutOfRange(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		for _, size := range []int{0, 1, 10000} {
			f := opened(t, size, o)
			s := f.Enter()
			defer s.Leave()
			h := f.Hold(s)
			defer h.Release()
			n := int64(size)
			for _, r := range []struct {
				off int64
				n   int
			}{
				{n + 1, 0}, {n, 1}, {0, size + 1}, {-1, 1}, {-1, 0}, {0, -1}, {n, -1}, {1, size}, {math.MaxInt64, 0},
				{math.MaxInt64, 1}, {math.MaxInt64, math.MaxInt}, {math.MinInt64, math.MinInt}, {math.MinInt64, 0},
				{0, math.MaxInt}, {0, math.MinInt}, {1, math.MaxInt}, {math.MaxInt32, math.MaxInt32}, {1 << 32, 1}, {-1, math.MaxInt},
			} {
				_, err := f.View(s, r.off, r.n)
				require.ErrorIs(t, err, ErrRange, "%v", r)
				var is *fs.PathError
				require.ErrorAs(t, err, &is)
				require.Equal(t, f.Path(), is.Path)
				_, err = h.View(r.off, r.n)
				require.ErrorIs(t, err, ErrRange, "%v", r)
				require.ErrorIs(t, f.Read(s, r.off, r.n, nil), ErrRange)
				require.ErrorIs(t, h.Read(r.off, r.n, nil), ErrRange)
				require.ErrorIs(t, f.Advise(r.off, r.n, Random), ErrRange)
			}
		}
	})
}

func TestView_AllocatesNothing(t *testing.T) {
	if invariants.Enabled || testkit.Sanitized {
		t.Skip("this build's View does")
	}
	f := opened(t, 10000, Options{})
	s := f.Enter()
	defer s.Leave()
	read := func([]byte) error { return nil }
	p := make([]byte, 100)
	for name, call := range map[string]func(){
		"View":   func() { f.View(s, 4000, 200) },
		"Read":   func() { f.Read(s, 4000, 200, read) },
		"Hold":   func() { f.Hold(s).Release() },
		"ReadAt": func() { f.ReadAt(p, 0) },
	} {
		require.Zero(t, testing.AllocsPerRun(100, call), name)
	}
}

// Stores to a view reach the file, and a file that was opened for reading can't be stored to.
func TestView_StoresReachTheFile(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		s := f.Enter()
		b, err := f.View(s, 5000, 3)
		require.NoError(t, err)
		copy(b, "abc")
		s.Leave()
		require.NoError(t, f.Sync())
		read, err := os.ReadFile(f.path)
		require.NoError(t, err)
		require.Equal(t, "abc", string(read[5000:5003]))

		s = f.Enter()
		b, err = f.View(s, 6000, 3)
		require.NoError(t, err)
		copy(b, "def")
		s.Leave()
		require.NoError(t, f.Close(testkit.Context(t)))
		read, err = os.ReadFile(f.path)
		require.NoError(t, err)
		require.Equal(t, "def", string(read[6000:6003]))
	})
}

func TestWriteAt(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		n, err := f.WriteAt([]byte("abc"), 9997)
		require.NoError(t, err)
		require.Equal(t, 3, n)
		requireView(t, f, 9996, append(pattern(9997)[9996:], "abc"...))
		_, err = f.WriteAt([]byte("abc"), 9998)
		require.ErrorIs(t, err, ErrRange)
		_, err = f.WriteAt(nil, -1)
		require.ErrorIs(t, err, ErrRange)
		requireDiskSize(t, f, 10000)
	})
	variants(t, Options{}, func(t *testing.T, o Options) {
		_, err := opened(t, 10, o).WriteAt([]byte("a"), 0)
		require.ErrorIs(t, err, fs.ErrPermission)
	})
}

func TestOpen_Errors(t *testing.T) {
	d := testkit.Domain(t)
	_, err := Open(d, filepath.Join(t.TempDir(), "none"), Options{})
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Open(d, t.TempDir(), Options{})
	require.ErrorContains(t, err, "not a regular file")
	path := tempFile(t, 100)
	for _, reserve := range []int64{-1, 99} {
		_, err = Open(d, path, Options{Reserve: reserve})
		require.ErrorIs(t, err, ErrRange)
	}
	require.Panics(t, func() { Open(nil, path, Options{}) })
}

// Where New fails the file stays its caller's.
func TestNew_FailureLeavesTheFile(t *testing.T) {
	file, err := os.Open(tempFile(t, 100))
	require.NoError(t, err)
	defer file.Close()
	d := testkit.Domain(t)
	if canMap {
		_, err = New(d, file, Options{Write: true})
		require.ErrorIs(t, err, fs.ErrPermission)
	}
	_, err = New(d, file, Options{Reserve: 1})
	require.ErrorIs(t, err, ErrRange)
	_, err = file.ReadAt(make([]byte, 10), 0)
	require.NoError(t, err)
}

func TestFile_Empty(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 0, o)
		requireView(t, f, 0, nil)
		require.NoError(t, f.Sync())
		require.NoError(t, f.Advise(0, 0, WillNeed))
		require.NoError(t, f.Grow(3))
		requireView(t, f, 0, make([]byte, 3))
		require.NoError(t, f.Truncate(testkit.Context(t), 0))
		require.Zero(t, f.Size())
		requireDiskSize(t, f, 0)
		require.NoError(t, f.Grow(5))
		requireView(t, f, 0, make([]byte, 5))
	})
}

// Advice changes nothing but, perhaps, speed.
func TestAdvise(t *testing.T) {
	variants(t, Options{Advice: Random}, func(t *testing.T, o Options) {
		f := opened(t, 100000, o)
		for a := Normal; a <= DontNeed; a++ {
			require.NoError(t, f.Advise(5000, 50000, a))
			requireView(t, f, 0, pattern(100000))
		}
		if !f.inMemory() {
			require.Error(t, f.Advise(0, 1, DontNeed+1))
		}
	})
}

func TestFile_AfterClose(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		ctx := context.Background()
		require.NoError(t, f.Close(ctx))
		s := f.Enter()
		defer s.Leave()
		h := f.Hold(s)
		require.False(t, h.Active())
		require.Zero(t, h.Size())
		c := h.Clone()
		p := make([]byte, 1)
		_, viewErr := f.View(s, 0, 1)
		_, heldErr := h.View(0, 1)
		_, readErr := f.ReadAt(p, 0)
		_, writeErr := f.WriteAt(p, 0)
		for i, err := range []error{
			viewErr, heldErr, readErr, writeErr, f.Read(s, 0, 1, nil), c.Read(0, 1, nil), Held{}.Read(0, 1, nil), f.Grow(200),
			f.Truncate(ctx, 1), f.Sync(), f.Advise(0, 1, Random), f.Close(ctx), f.Remove(ctx), //smr:ok they return at once, as the file is closed
		} {
			require.ErrorIs(t, err, fs.ErrClosed, "%d", i)
		}
		h.Release()
		c.Release()
		require.Zero(t, f.Size())
	})
}

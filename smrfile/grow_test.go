package smrfile

import (
	"context"
	"errors"
	"io/fs"
	"math"
	"os"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/smr"
)

// A reader keeps its view across any number of Grows, which do not wait for it.
func TestGrow_WaitsForNoReader(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		s := f.Enter()
		defer s.Leave()
		old := pattern(10000)
		b, err := f.View(s, 0, 10000)
		require.NoError(t, err)
		for size := int64(10001); size < 100<<20; size *= 3 {
			require.NoError(t, f.Grow(size))
			requireDiskSize(t, f, size)
			require.NoError(t, access(f, b, func() { require.Equal(t, old, b) }))
			all, err := f.View(s, 0, int(size))
			require.NoError(t, err)
			require.NoError(t, access(f, all, func() {
				require.Equal(t, old, all[:10000])
				require.Zero(t, all[size-1])
			}))
			if f.inMemory() && size > 1<<20 {
				break
			}
		}
	})
}

// access calls fn, which reads b, and returns a fault as an error.
func access(f *File, b []byte, fn func()) error {
	m := &mapping{f: f, sp: &space{mem: b}}
	return m.guard(b, 0, func([]byte) error {
		fn()
		return nil
	})
}

// Within what is reserved addresses stay, and no mapping is retired that has others.
func TestGrow_Reserved(t *testing.T) {
	mapped(t)
	f := opened(t, 5000, Options{Write: true, Reserve: 1 << 20})
	s := f.Enter()
	defer s.Leave()
	first, err := f.View(s, 0, 5000)
	require.NoError(t, err)
	for _, size := range []int64{5001, 20000, 1 << 20} {
		require.NoError(t, f.Grow(size))
		b, err := f.View(s, 0, int(size))
		require.NoError(t, err)
		require.Same(t, unsafe.SliceData(first), unsafe.SliceData(b))
		b[size-1] = byte(size) // its pages have come
	}
	require.ErrorIs(t, f.Grow(1<<20+1), ErrRange)
	require.EqualValues(t, 1<<20, f.SizeIn(s))
	requireDiskSize(t, f, 1<<20)
}

func TestGrow_Errors(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		for _, size := range []int64{99, 0, -1, math.MinInt64} {
			require.ErrorIs(t, f.Grow(size), ErrRange)
		}
		require.NoError(t, f.Grow(100))
		g := openedAt(t, f.dom, f.path, Options{Write: true, InMemory: o.InMemory, Sparse: true})
		for _, size := range []int64{1 << 60, math.MaxInt64} {
			require.Error(t, f.Grow(size))
			require.Error(t, g.Grow(size))
		}
		requireDiskSize(t, f, 100)
		requireView(t, f, 0, pattern(100))
	})
}

// A file that is read only grows to what others have made of it, no more.
func TestGrow_Underneath(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 10000, o)
		other, err := os.OpenFile(f.path, os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		defer other.Close()
		require.ErrorIs(t, f.Grow(10003), ErrRange)
		_, err = other.WriteString("abcdef")
		require.NoError(t, err)
		require.EqualValues(t, 10000, f.Size())
		require.NoError(t, f.Grow(10003))
		requireView(t, f, 9999, append(pattern(10000)[9999:], "abc"...))
		require.ErrorIs(t, f.Grow(10007), ErrRange)
		require.NoError(t, f.Grow(10006))
		requireView(t, f, 10003, []byte("def"))
		requireDiskSize(t, f, 10006)
	})
}

// What others have appended to a file is not overwritten by a Grow.
func TestGrow_KeepsWhatOthersAppended(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 10, o)
		require.NoError(t, os.WriteFile(f.path, pattern(1000), 0))
		require.NoError(t, f.Grow(500))
		requireView(t, f, 0, pattern(500))
		requireDiskSize(t, f, 1000)
		require.NoError(t, f.Grow(2000))
		requireView(t, f, 0, append(pattern(1000), make([]byte, 1000)...))
	})
}

// What a Grow that fails has made of the file goes, what others have appended meanwhile stays.
func TestGrow_Undone(t *testing.T) {
	variants(t, Options{Write: true, Sparse: true}, func(t *testing.T, o Options) {
		old := ftruncate
		t.Cleanup(func() { ftruncate = old })
		f := opened(t, 10000, o)
		broken := errors.New("broken")
		for _, made := range []int64{10000, 15000, 20000, 20001} { // of 20000
			ftruncate = func(file *os.File, size int64) error {
				if ftruncate = old; made > 10000 {
					require.NoError(t, old(file, made))
				}
				return broken
			}
			require.ErrorIs(t, f.Grow(20000), broken)
			if made > 20000 {
				requireDiskSize(t, f, made)
			} else {
				requireDiskSize(t, f, 10000)
			}
			requireView(t, f, 0, pattern(10000))
		}
		require.NoError(t, f.Grow(30000))
	})
}

// A mapping that is held is no pending memory of the domain; a copy of a file is.
func TestHold_IsNoPendingMemory(t *testing.T) {
	variants(t, Options{Write: true}, func(t *testing.T, o Options) {
		f := opened(t, 1<<20, o)
		s := f.Enter()
		h := f.Hold(s)
		s.Leave()
		defer h.Release()
		require.NoError(t, f.Grow(10<<20))
		settle(t, f.Domain())
		want := int64(0)
		if o.InMemory {
			want = 1 << 20
		}
		require.Equal(t, want, f.Domain().Stats().PendingBytes)
	})
}

// Growing in small steps makes few mappings.
func TestGrow_FewMappings(t *testing.T) {
	f := opened(t, 1, Options{Write: true})
	spaces := make(map[*space]bool)
	for size := int64(2); size < 1000; size++ {
		require.NoError(t, f.Grow(size*1000))
		f.writers.Lock()
		spaces[f.cur.LoadSerialized().sp] = true
		f.writers.Unlock()
	}
	if unsafe.Sizeof(uintptr(0)) == 8 {
		require.LessOrEqual(t, len(spaces), 21)
	}
}

func TestGrow_ClosedDomain(t *testing.T) {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	f, err := Open(d, tempFile(t, 100), Options{Write: true})
	require.NoError(t, err)
	require.NoError(t, d.Close(testkit.Context(t)))
	require.ErrorIs(t, f.Grow(200), smr.ErrClosed)
	require.ErrorIs(t, f.Truncate(context.Background(), 2), smr.ErrClosed)
	_, err = f.ReadAt(make([]byte, 1), 0)
	require.ErrorIs(t, err, smr.ErrClosed)
	require.ErrorIs(t, f.Sync(), smr.ErrClosed)
	require.Zero(t, f.Size())
	require.NoError(t, f.Close(testkit.Context(t)))
	requireDiskSize(t, f, 100)
	_, readErr := f.ReadAt(make([]byte, 1), 0)
	_, writeErr := f.WriteAt(make([]byte, 1), 0)
	for _, err := range []error{readErr, writeErr, f.Sync(), f.Grow(200), f.Advise(0, 1, Normal)} {
		require.ErrorIs(t, err, fs.ErrClosed)
	}
}

package smrfile

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/internal/testkit"
)

// truncated returns a file of three pages of which others have left one.
func truncated(t *testing.T, o Options) *File {
	mapped(t)
	f := opened(t, 3*pageSize, o)
	require.NoError(t, os.Truncate(f.path, int64(pageSize)))
	return f
}

var sink byte

// Whatever reads or writes a part that others have truncated, the fault is an error with its offset.
func TestRead_Faults(t *testing.T) {
	n := 2 * pageSize
	p := pattern(3 * pageSize)[pageSize/2:][:n]
	for name, use := range map[string]func(b []byte){
		"load":     func(b []byte) { sink = b[len(b)/2+pageSize/2] },
		"copy":     func(b []byte) { copy(make([]byte, n), b) },
		"string":   func(b []byte) { sink = string(b)[7] },
		"append":   func(b []byte) { sink = append(p[:0:0], b...)[7] },
		"index":    func(b []byte) { bytes.IndexByte(b, 0) },
		"equal":    func(b []byte) { bytes.Equal(b, p) },
		"contains": func(b []byte) { strings.Contains(string(b), "xy") },
		"sha256":   func(b []byte) { sink = sha256.New().Sum(b)[0]; sha256.Sum256(b) },
		"store":    func(b []byte) { b[len(b)-1] = 1 },
	} {
		t.Run(name, func(t *testing.T) {
			for _, reserve := range []int64{0, 1 << 20} {
				f := truncated(t, Options{Write: true, Reserve: reserve})
				s := f.Enter()
				h := f.Hold(s)
				check := func(err error) {
					t.Helper()
					var fault *FaultError
					require.ErrorAs(t, err, &fault)
					require.Equal(t, f.path, fault.Path)
					require.GreaterOrEqual(t, fault.Off, int64(pageSize))
					require.Less(t, fault.Off, int64(3*pageSize))
					require.ErrorContains(t, err, f.path)
				}
				check(f.Read(s, int64(pageSize/2), n, func(b []byte) error { use(b); return nil }))
				s.Leave()
				check(h.Read(int64(pageSize/2), n, func(b []byte) error { use(b); return nil }))
				h.Release()
				// What is left can be read.
				requireView(t, f, 0, pattern(pageSize))
			}
		})
	}
}

// The offset is that of the byte, where one byte is read.
func TestRead_FaultOffset(t *testing.T) {
	f := truncated(t, Options{})
	s := f.Enter()
	defer s.Leave()
	for _, at := range []int{pageSize, 2*pageSize - 1, 3*pageSize - 1} {
		err := f.Read(s, 100, 3*pageSize-100, func(b []byte) error { sink = b[at-100]; return nil })
		var fault *FaultError
		require.ErrorAs(t, err, &fault)
		require.EqualValues(t, at, fault.Off)
	}
}

// A system call that is given what was truncated fails by EFAULT, which is the same error.
func TestRead_EFAULT(t *testing.T) {
	f := truncated(t, Options{})
	s := f.Enter()
	defer s.Leave()
	out, err := os.Create(tempFile(t, 0))
	require.NoError(t, err)
	defer out.Close()
	err = f.Read(s, 10, 3*pageSize-10, func(b []byte) error {
		_, err := out.Write(b)
		return err
	})
	var fault *FaultError
	require.ErrorAs(t, err, &fault)
	require.EqualValues(t, pageSize, fault.Off)
	require.ErrorIs(t, err, syscall.EFAULT)

	// EFAULT of other memory is another error.
	err = f.Read(s, 0, pageSize, func([]byte) error { return syscall.EFAULT })
	require.Equal(t, syscall.EFAULT, err)
}

// What is no fault of the file's passes through, and the setting is what it was.
func TestRead_OtherPanics(t *testing.T) {
	variants(t, Options{}, func(t *testing.T, o Options) {
		f := opened(t, 100, o)
		s := f.Enter()
		defer s.Leave()
		mine := errors.New("mine")
		for _, before := range []bool{false, true} {
			restore := debug.SetPanicOnFault(before)
			require.Equal(t, mine, f.Read(s, 0, 100, func([]byte) error { return mine }))
			require.PanicsWithValue(t, mine, func() { f.Read(s, 0, 100, func([]byte) error { panic(mine) }) })
			require.PanicsWithError(t, "runtime error: index out of range [100] with length 100", func() {
				f.Read(s, 0, 100, func(b []byte) error { sink = b[len(b)]; return nil })
			})
			var none *FaultError
			require.Panics(t, func() { f.Read(s, 0, 100, func([]byte) error { sink = byte(none.Off); return nil }) })
			ended := make(chan bool)
			go func() { // by Goexit
				defer close(ended)
				f.Read(s, 0, 1, func([]byte) error { runtime.Goexit(); return nil })
			}()
			<-ended
			require.Equal(t, before, debug.SetPanicOnFault(restore))
		}
	})
}

// A store to a file that is open for reading is a mistake of the program, no fault of the file.
func TestRead_StoreToReadOnly(t *testing.T) {
	mapped(t)
	for _, reserve := range []int64{0, 1 << 20} {
		f := opened(t, 100, Options{Reserve: reserve})
		s := f.Enter()
		defer s.Leave()
		before := debug.SetPanicOnFault(false)
		read := func() error { return f.Read(s, 0, 100, func(b []byte) error { b[50] = 1; return nil }) }
		if invariants.Enabled {
			require.Panics(t, func() { read() })
		} else {
			require.ErrorContains(t, read(), "open for reading only")
		}
		require.False(t, debug.SetPanicOnFault(before))
	}
	f := truncated(t, Options{})
	s := f.Enter()
	defer s.Leave()
	var fault *FaultError
	require.ErrorAs(t, f.Read(s, 0, 3*pageSize, func(b []byte) error { b[2*pageSize] = 1; return nil }), &fault)
	require.EqualValues(t, 2*pageSize, fault.Off)
}

// A fault of one file, in the Read of another, is of that file.
func TestRead_Nested(t *testing.T) {
	f := truncated(t, Options{})
	g := openedAt(t, f.dom, tempFile(t, 100), Options{})
	s := f.Enter()
	defer s.Leave()
	after := false
	err := f.Read(s, 0, 3*pageSize, func(b []byte) error {
		err := g.Read(s, 0, 100, func([]byte) error {
			sink = b[pageSize]
			return nil
		})
		after = true
		return err
	})
	var fault *FaultError
	require.ErrorAs(t, err, &fault)
	require.Equal(t, f.path, fault.Path)
	require.False(t, after)
}

// ReadAt of what others have truncated is the same error, and of what is left reads it.
func TestReadAt_Truncated(t *testing.T) {
	f := truncated(t, Options{})
	p := make([]byte, 2*pageSize)
	n, err := f.ReadAt(p, 0)
	require.Equal(t, pageSize, n)
	require.Equal(t, pattern(pageSize), p[:n])
	var fault *FaultError
	require.ErrorAs(t, err, &fault)
	require.EqualValues(t, pageSize, fault.Off)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}

// Without Read the program dies, and so it does in a pinned section: under -tags invariants by a panic
// before that.
func TestView_InPinnedSection(t *testing.T) {
	mapped(t)
	if !invariants.Enabled {
		t.Skip("it is found under -tags invariants")
	}
	f := opened(t, 100, Options{})
	s := f.dom.Pin()
	defer s.Leave()
	require.Panics(t, func() { f.View(s, 0, 1) })
	require.Panics(t, func() { f.Read(s, 0, 1, nil) })
	require.Panics(t, func() { f.ReadAt(nil, 0) })
}

// Under -tags invariants a view faults once its section was left, although the file is mapped.
func TestInvariants_ViewAfterLeave(t *testing.T) {
	mapped(t)
	if !invariants.Enabled {
		t.Skip("it is found under -tags invariants")
	}
	out := self.Dies(t, func() {
		f := opened(t, 100, Options{})
		s := f.Enter()
		b, _ := f.View(s, 0, 100)
		sink = b[50]
		s.Leave()
		sink = b[50] //smr:ok the fault is what the test waits for
	})
	require.Contains(t, out, "unexpected fault address")
	require.Contains(t, out, "TestInvariants_ViewAfterLeave")
}

// A view of another domain's section is found.
func TestInvariants_OtherDomain(t *testing.T) {
	if !invariants.Enabled {
		t.Skip("it is found under -tags invariants")
	}
	f := opened(t, 100, Options{})
	s := testkit.Domain(t).Enter()
	defer s.Leave()
	require.Panics(t, func() { f.View(s, 0, 1) })
	own := f.Enter()
	func() {
		defer func() { require.Contains(t, recover(), "smrfile: close of "+f.path+" inside a section") }()
		f.Close(testkit.Context(t)) // would wait for itself
	}()
	own.Leave()
}

// So is a view of a set, even the first one.
func TestInvariants_SetOfOtherDomain(t *testing.T) {
	if !invariants.Enabled {
		t.Skip("it is found under -tags invariants")
	}
	set := NewSet[int](testkit.Domain(t))
	s := testkit.Domain(t).Enter()
	defer s.Leave()
	require.Panics(t, func() { set.Load(s) })
}

package smrfile

import (
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"syscall"
	"unsafe"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// A FaultError says that a part of a file could not be read or written, though it was mapped: another
// process or other code has truncated the file, the disk failed, or there was no space on it for what
// was stored.
type FaultError struct {
	Path string
	Off  int64 // of a byte that faulted; others may, before it and after
	Err  error // the fault, as a runtime.Error, or EFAULT of a system call, or io.ErrUnexpectedEOF
}

func (e *FaultError) Error() string {
	return fmt.Sprintf("smrfile: %s: the file faults at offset %d, as it was truncated by others, or the disk failed (or it is open for reading only, and was stored to): %v", e.Path, e.Off, e.Err)
}

// Unwrap returns Err.
func (e *FaultError) Unwrap() error { return e.Err }

// Read calls fn with a view of n bytes from offset off, and returns its error. A fault while fn reads or
// writes the file's memory, which would end the program, ends fn by a panic and is returned as a
// [*FaultError]; so is EFAULT, with which a system call fails that is given such memory. What fn had
// locked stays locked, unless a deferred function unlocks it: so copy or parse in fn, little else.
//
// Other panics pass through: those of fn, and faults elsewhere. So does, under -tags invariants, a store
// to a file that is open for reading only; else that is a FaultError, too. (Faults are panics in fn, by
// [debug.SetPanicOnFault], whose former setting Read restores.) EFAULT of a system call that stores to a
// hole in a file, with the disk full, stays EFAULT. Faults of goroutines that fn starts are not seen. In
// a pinned section no fault can be caught, as the runtime ends the program: see View.
//
// Cost: 20 ns more than View.
func (f *File) Read(s smr.Section, off int64, n int, fn func(b []byte) error) error {
	m := f.cur.Load(s)
	b, err := f.viewSlow(s, m, off, n)
	if err != nil {
		return err
	}
	return m.guard(b, off, fn)
}

// guard calls fn with b, a view of m from off, and returns faults as errors.
func (m *mapping) guard(b []byte, off int64, fn func([]byte) error) (err error) {
	old := debug.SetPanicOnFault(true)
	defer func() {
		v := recover()
		if v != nil {
			err = m.faulted(b, off, v)
		}
		debug.SetPanicOnFault(old)
		if v != nil && err == nil {
			panic(v)
		}
	}()
	err = fn(b)
	if err != nil && errors.Is(err, syscall.EFAULT) {
		if bad := touch(b); bad >= 0 {
			err = &FaultError{m.f.path, off + int64(bad), err}
		}
	}
	return err
}

// faulted returns the error for a panic by a fault in b or m, nil for any other. SetPanicOnFault is set.
func (m *mapping) faulted(b []byte, off int64, v any) error {
	fault, ok := v.(interface {
		runtime.Error
		Addr() uintptr
	})
	if !ok || m.sp.memory {
		return nil
	}
	at := int64(fault.Addr() - uintptr(unsafe.Pointer(unsafe.SliceData(b))))
	if uint64(at) >= uint64(len(b)) { // b may be elsewhere: see lend
		b, off = m.sp.mem, 0
		if at, ok = m.sp.contains(fault.Addr()); !ok {
			return nil
		}
	}
	if invariants.Enabled && !m.f.o.Write && at < int64(len(b)) && touch(b[at:at+1]) < 0 {
		return nil // a store to what can be read, or the fault did not last: in production it counts as one
	}
	return &FaultError{m.f.path, off + at, fault}
}

// touch reads a byte of each page of b, and returns the index of the first that faults, or -1. The
// caller has set SetPanicOnFault.
func touch(b []byte) (bad int) {
	i := 0
	defer func() {
		if recover() != nil {
			bad = i
		}
	}()
	for i < len(b) {
		touched(b[i])
		next := pageSize - int(uintptr(unsafe.Pointer(&b[i]))&uintptr(pageSize-1))
		i += next
	}
	return -1
}

//go:noinline
func touched(byte) {}

package smrfile

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// ErrGrown is wrapped by the error of a Truncate that a Grow came before, while it waited for readers.
var ErrGrown = errors.New("undone, as a Grow came first")

// Truncate makes the file size bytes long, in an order that takes nothing from a reader: it publishes
// the shorter mapping, waits until no section and no Held has a longer one, and then truncates. While it
// waits a View beyond size fails, and ReadAt ends there by [io.EOF]: give it a context with a deadline
// where something may be held for long.
//
// If ctx ends before that, nothing has happened: Truncate publishes the old size again, and its error
// says what it waited for. So, too, if the file is closed meanwhile, the system does not truncate it, or
// a Grow comes, which waits for no reader: then the error is [ErrGrown].
//
// Truncate fails if the file has fewer bytes (that is for Grow), or is open for reading only; with a
// [*FaultError] if others have truncated it to less, so that it would be extended; and perhaps with an
// error of the disk though it has truncated. It must
// not be called in a section of the domain, which it would wait for, nor in a callback, where it is refused.
// A second one waits for the first. It waits for a writer's system call, whatever ctx says.
func (f *File) Truncate(ctx context.Context, size int64) error {
	f.checkMayBlock("truncate")
	f.checkMayWait("truncate")
	err := f.truncates.lock(ctx, f)
	if err == nil {
		defer f.truncates.unlock()
		err = f.truncate(ctx, size)
	}
	if err != nil {
		return f.fail("truncate", err)
	}
	return nil
}

// A truncation is a Truncate that waits for readers: the file is longer than they see.
type truncation struct {
	size   int                // of the file until then
	cancel context.CancelFunc // ends the wait
}

func (f *File) truncate(ctx context.Context, size int64) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	t, err := f.beginTruncate(size, cancel)
	if err != nil {
		return err
	}
	defer func() { // also where await panics: in a section of the caller's, under -tags invariants
		f.writers.Lock()
		defer f.writers.Unlock()
		if f.waiting == t {
			f.undoLocked()
		}
	}()
	err = f.await(ctx, int(size))
	return f.endTruncate(t, size, err)
}

// beginTruncate publishes the shorter mapping.
func (f *File) beginTruncate(size int64, cancel context.CancelFunc) (*truncation, error) {
	if err := f.lockOpen("truncate"); err != nil {
		return nil, err
	}
	defer f.writers.Unlock()
	m := f.cur.LoadSerialized()
	n := len(m.data)
	switch {
	case size < 0 || size > int64(n):
		return nil, fmt.Errorf("%w: to %d, from %d bytes", ErrRange, size, n)
	case !f.o.Write:
		return nil, fmt.Errorf("%w: to %d bytes, and Options.Write is not set", fs.ErrPermission, size)
	}
	f.waiting = &truncation{n, cancel}
	f.publish(f.newMapping(m.sp, int(size)))
	return f.waiting, nil
}

// endTruncate truncates the file, unless the wait ended with an error or another writer has come.
func (f *File) endTruncate(t *truncation, size int64, waited error) error {
	f.writers.Lock()
	defer f.writers.Unlock()
	switch {
	case f.open.Err() != nil:
		return fs.ErrClosed
	case f.waiting != t:
		return ErrGrown
	case waited != nil:
		return waited
	}
	cut, err := f.cut(size)
	if cut {
		f.waiting = nil
	}
	return err
}

// cut truncates the file on the disk, and reports whether it did: perhaps with an error, of the disk. It
// does not extend a file that others have made shorter than that.
func (f *File) cut(size int64) (cut bool, err error) {
	before, err := f.sizeOnDisk()
	switch {
	case err != nil:
		return false, err
	case before < size && !f.inMemory():
		return false, f.foreign(before)
	}
	if err := ftruncate(f.file, size); err != nil {
		after, unknown := f.sizeOnDisk()
		return unknown != nil || after < before, err
	}
	return true, nil
}

// ftruncate is a variable for tests in which it fails.
var ftruncate = (*os.File).Truncate

// foreign returns the error for a file that others have truncated to size.
func (f *File) foreign(size int64) error { return &FaultError{f.path, size, io.ErrUnexpectedEOF} }

// undoLocked ends the wait of a Truncate, if one waits, and readers see again what it would have taken.
func (f *File) undoLocked() {
	if t := f.waiting; t != nil {
		f.waiting = nil
		t.cancel()
		f.publish(f.newMapping(f.cur.LoadSerialized().sp, t.size))
	}
}

// sizeLocked returns the size of the file, which is more than readers see while a Truncate waits.
func (f *File) sizeLocked() int {
	if f.waiting != nil {
		return f.waiting.size
	}
	return len(f.cur.LoadSerialized().data)
}

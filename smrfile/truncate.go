package smrfile

import (
	"context"
	"fmt"
	"io/fs"
)

// Truncate makes the file size bytes long, in an order that takes nothing from a reader: it publishes
// the shorter mapping, waits until no section and no Held has a longer one, and then truncates.
//
// If ctx ends before that, nothing has happened: Truncate publishes the old size again, and its error
// says what it waited for. So, too, if the file is closed meanwhile, or the system does not truncate
// it. Between the two a View beyond size has failed.
//
// Truncate fails if the file has fewer bytes (that is for Grow), or is open for reading only. It must
// not be called in a section of the domain, which it would wait for, nor in a callback.
func (f *File) Truncate(ctx context.Context, size int64) error {
	if err := f.lockOpen(ctx, "truncate"); err != nil {
		return err
	}
	defer f.writers.Unlock()
	if err := f.truncateLocked(ctx, size); err != nil {
		return f.fail("truncate", err)
	}
	return nil
}

func (f *File) truncateLocked(ctx context.Context, size int64) error {
	m := f.cur.LoadSerialized()
	n := len(m.data)
	switch {
	case size < 0 || size > int64(n):
		return fmt.Errorf("%w: to %d, from %d bytes", ErrRange, size, n)
	case !f.o.Write:
		return fmt.Errorf("to %d bytes: Options.Write is not set", size)
	case size == int64(n):
		return nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(f.open, cancel)()

	f.publish(f.newMapping(m.sp, int(size)))
	done := false
	defer func() {
		if !done { // also where await panics: in a section of the caller's, under -tags invariants
			f.publish(f.newMapping(m.sp, n))
		}
	}()
	err := f.await(ctx, int(size))
	if err == nil {
		err = f.file.Truncate(size)
	}
	if err != nil && f.open.Err() != nil {
		return fs.ErrClosed // meanwhile
	}
	done = err == nil
	return err
}

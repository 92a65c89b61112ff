package smrfile

import (
	"errors"
	"io/fs"
	"os"

	"github.com/gosmr/gosmr/smr"
)

// WriteAt writes to the file, within its size (Grow it first), and views show what is written: it is
// [io.WriterAt]. A full disk is an error here, where a store to a view may fault. Readers of those bytes
// see some of them early, as with stores: write where no reader reads yet, then publish the offset.
// A Truncate waits for the writes that are under way. A file that others have truncated it extends again,
// with zeros in between.
func (f *File) WriteAt(p []byte, off int64) (n int, err error) {
	if f.inMemory() {
		return f.writeMemory(p, off)
	}
	f.checkMayBlock("write")
	s, err := f.enter("write")
	if err != nil {
		return 0, err
	}
	m := f.cur.Load(s)
	if m != nil && m.sp.memory { // since a Grow of an empty file found that the system does not map it
		s.Leave()
		return f.writeMemory(p, off)
	}
	if err := f.mayWrite(m, off, len(p)); err != nil {
		s.Leave()
		return 0, err
	}
	h := smr.Hold(s, m) // else a Truncate could come first, and the write would extend the file again
	s.Leave()
	defer h.Release()
	if n, err = pwrite(f.file, p, off); err != nil {
		err = f.fail("write", err)
	}
	return n, err
}

// pwrite is a variable for a test that has something happen meanwhile.
var pwrite = (*os.File).WriteAt

// mayWrite returns the error for a write to m of n bytes at off.
func (f *File) mayWrite(m *mapping, off int64, n int) error {
	if err := f.outOf(m, "write", off, n); err != nil {
		return err
	}
	if !f.o.Write {
		return f.fail("write", fs.ErrPermission)
	}
	return nil
}

// Sync returns when what was stored and written before has reached the disk, as far as the system
// knows; the size, too. It holds up no reader. (On macOS and the BSDs it may leave out what a Truncate waits
// to take away.)
func (f *File) Sync() error {
	if f.inMemory() && f.o.Write {
		return f.syncMemory()
	}
	f.checkMayBlock("sync")
	h, err := f.held("sync")
	if err != nil {
		return err
	}
	defer h.Release()
	if err := errors.Join(syncMapping(h.Get().data), f.file.Sync()); err != nil {
		return f.fail("sync", err)
	}
	return nil
}

// held holds the current mapping for a system call.
func (f *File) held(op string) (h smr.Held[mapping], err error) {
	s, err := f.enter(op)
	if err != nil {
		return h, err
	}
	defer s.Leave()
	m := f.cur.Load(s)
	if m == nil {
		return h, f.fail(op, fs.ErrClosed)
	}
	return smr.Hold(s, m), nil
}

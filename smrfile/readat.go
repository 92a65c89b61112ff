package smrfile

import (
	"errors"
	"io"
	"io/fs"

	"github.com/gosmr/gosmr/smr"
)

// ReadAt copies from the file, and keeps nothing of it: it is [io.ReaderAt], needs no section, and
// returns [io.EOF] at the end of what View shows. Use it for what may not be in memory. A view of such
// a page holds the processor while the disk is read. ReadAt asks the system for what is in its cache,
// where it can (preadv2 of Linux), and only then has it read the disk, as os.File does.
//
// What another process has truncated is a [*FaultError]. Cost: a section and a system call.
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	f.checkMayBlock("read")
	s, ok := f.dom.TryEnter()
	if !ok {
		return 0, f.fail("read", smr.ErrClosed)
	}
	n, want, err := f.readCached(s, p, off)
	s.Leave()
	if err != nil || n == want && want == len(p) {
		return n, err
	}
	if n < want {
		m, err := f.file.ReadAt(p[n:want], off+int64(n))
		if n += m; n < want {
			return n, f.readShort(off+int64(n), err)
		}
	}
	if want < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// readCached reads what needs no disk. It returns how many bytes there are to be read, in all.
func (f *File) readCached(s smr.Section, p []byte, off int64) (n, want int, err error) {
	m := f.cur.Load(s)
	switch {
	case m == nil:
		return 0, 0, f.fail("read", fs.ErrClosed)
	case off < 0:
		return 0, 0, f.outOf(m, "read", off, len(p))
	case off >= int64(len(m.data)):
		return 0, 0, nil
	}
	want = int(min(int64(len(p)), int64(len(m.data))-off))
	if m.sp.memory {
		return copy(p[:want], m.data[off:]), want, nil
	}
	return f.readNoWait(p[:want], off), want, nil
}

// readShort returns the error of a read that got nothing at off, where View showed the file a moment ago.
func (f *File) readShort(off int64, err error) error {
	if f.open.Err() != nil {
		return f.fail("read", fs.ErrClosed)
	}
	if !errors.Is(err, io.EOF) {
		return f.fail("read", err)
	}
	if off >= f.Size() {
		return io.EOF // truncated here, meanwhile
	}
	return f.foreign(off)
}

package smrfile

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"github.com/gosmr/gosmr/smr"
)

// ReadAt copies from the file, and keeps nothing of it: it is [io.ReaderAt], needs no section, and
// returns [io.EOF] at the end of what View shows, which is too early while a Truncate waits that then
// gives up. Use it for what may not be in memory. A view of such a page holds the processor while the
// disk is read. ReadAt asks the system for what is in its cache, where it can (preadv2 of Linux), and only
// then has it read the disk, as os.File does; Truncate and the end of Close wait for that.
//
// What another process has truncated is a [*FaultError]. Cost: a section and a system call.
func (f *File) ReadAt(p []byte, off int64) (n int, err error) {
	f.checkMayBlock("read")
	s, err := f.enter("read")
	if err != nil {
		return 0, err
	}
	m := f.cur.Load(s)
	want, err := f.toRead(m, p, off)
	if err != nil || want == 0 {
		s.Leave()
	} else if n = m.readCached(p[:min(want, mostCached)], off); n == want {
		s.Leave()
	} else {
		h := smr.Hold(s, m) // else a Truncate could come first, and its end be taken for one by others
		s.Leave()
		n, err = m.readOn(p[:want], n, off)
		h.Release()
	}
	if err == nil && want < len(p) {
		err = io.EOF
	}
	return n, err
}

// mostCached bounds what is copied in a section.
const mostCached = 1 << 20

// toRead returns how many bytes there are to be read.
func (f *File) toRead(m *mapping, p []byte, off int64) (want int, err error) {
	switch {
	case m == nil:
		return 0, f.fail("read", fs.ErrClosed)
	case off < 0:
		return 0, f.outOf(m, "read", off, len(p))
	case off >= int64(len(m.data)):
		return 0, nil
	}
	return int(min(int64(len(p)), int64(len(m.data))-off)), nil
}

// readCached reads what needs no disk. The mapping has as many bytes.
func (m *mapping) readCached(p []byte, off int64) (n int) {
	if m.sp.memory {
		return copy(p, m.data[off:])
	}
	return m.f.readNoWait(p, off)
}

// pread is a variable for a test that has something happen meanwhile.
var pread = (*os.File).ReadAt

// readOn reads all but the first n bytes, which it has.
func (m *mapping) readOn(p []byte, n int, off int64) (int, error) {
	if m.sp.memory {
		return copy(p, m.data[off:]), nil
	}
	more, err := pread(m.f.file, p[n:], off+int64(n))
	switch n += more; {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF):
		return n, m.f.foreign(off + int64(n))
	}
	return n, m.f.fail("read", err)
}

package smrfile

import (
	"io"
	"io/fs"

	"github.com/gosmr/gosmr/smr"
)

// A Held keeps a mapping of a file after the section: see [File.Hold]. It is a small value, and all
// copies are the same hold.
type Held struct {
	f *File
	h smr.Held[mapping]
	m *mapping // nil if the file was closed
}

// Hold keeps the file as it is now, after s has been left, until Release: for an iterator, a slow
// connection, a backup. Truncate waits for its Release, and so does the file's Close. As each [smr.Hold]
// does, it also delays the domain's Close and, once the mapping was replaced, Barrier. It delays nothing
// else: no grace period, no other file, no Grow, and no Throttle unless the file is in memory.
// Of a closed file it holds nothing.
// Cost: that of [smr.Hold].
func (f *File) Hold(s smr.Section) Held {
	if m := f.cur.Load(s); m != nil {
		return Held{f, smr.Hold(s, m), m}
	}
	return Held{f: f}
}

// Active reports whether the mapping is held: the file was open, and the hold was not released.
func (h Held) Active() bool { return h.h.Active() }

// Size returns how many bytes can be viewed, which does not change: 0 if nothing is held.
func (h Held) Size() int64 {
	if !h.Active() {
		return 0
	}
	return int64(len(h.h.Get().data))
}

// View is [File.View], of what is held: the slice may be used until Release, in a section or not. It
// fails with [io/fs.ErrClosed] if nothing is held.
func (h Held) View(off int64, n int) ([]byte, error) {
	m, err := h.view(off, n)
	if err != nil {
		return nil, err
	}
	end := int(off) + n
	return m.data[off:end:end], nil
}

// Read is [File.Read], of what is held.
func (h Held) Read(off int64, n int, fn func(b []byte) error) error {
	m, err := h.view(off, n)
	if err != nil {
		return err
	}
	end := int(off) + n
	return m.guard(m.data[off:end:end], off, fn)
}

// view returns the mapping if it has the bytes.
func (h Held) view(off int64, n int) (*mapping, error) {
	m, err := h.mapping("view")
	if err != nil {
		return nil, err
	}
	return m, h.f.outOf(m, "view", off, n)
}

// mapping returns the mapping that is held, for an operation.
func (h Held) mapping(op string) (*mapping, error) {
	if !h.h.Active() {
		if h.f == nil {
			return nil, fs.ErrClosed
		}
		return nil, h.f.fail(op, fs.ErrClosed)
	}
	h.f.checkMayBlock(op)
	return h.h.Get(), nil
}

// ReadAt is [File.ReadAt], of what is held: it is [io.ReaderAt], and ends where the file did when it was
// held, also while a Truncate waits.
func (h Held) ReadAt(p []byte, off int64) (n int, err error) {
	m, err := h.mapping("read")
	if err != nil {
		return 0, err
	}
	want, err := h.f.toRead(m, p, off)
	if err == nil && want > 0 {
		if n = m.readCached(p[:min(want, mostCached)], off); n < want {
			n, err = m.readOn(p[:want], n, off)
		}
	}
	if err == nil && want < len(p) {
		err = io.EOF
	}
	return n, err
}

// Clone holds the mapping once more: see [smr.Held.Clone]. The clone needs a Release of its own.
func (h Held) Clone() Held {
	if h.Active() {
		h.h = h.h.Clone()
	}
	return h
}

// Release ends the hold. It panics if that was done before. Where nothing was held, as the file was
// closed, it does nothing.
func (h Held) Release() {
	if h.m != nil {
		h.h.Release()
	}
}

package smrfile

import (
	"errors"
	"io"
)

// Where the system can't map a file, or need not, its contents are in Go memory. A space is a copy that
// its File alone reads and writes back: at Sync and Close, all of it.

// inMemory reports whether the file is in Go memory, as far as is known: an empty file was never mapped.
func (f *File) inMemory() bool { return f.o.InMemory || !canMap || f.noMap.Load() }

// writeMemory is WriteAt for a file in memory: no Grow may move it meanwhile.
func (f *File) writeMemory(p []byte, off int64) (n int, err error) {
	if err := f.lockOpen("write"); err != nil {
		return 0, err
	}
	defer f.writers.Unlock()
	m := f.cur.LoadSerialized()
	if err := f.mayWrite(m, off, len(p)); err != nil {
		return 0, err
	}
	n, err = f.file.WriteAt(p, off)
	copy(m.data[off:], p[:n])
	if err != nil {
		err = f.fail("write", err)
	}
	return n, err
}

// syncMemory is Sync for a file in memory that may have been written to.
func (f *File) syncMemory() error {
	if err := f.lockOpen("sync"); err != nil {
		return err
	}
	defer f.writers.Unlock()
	if err := errors.Join(f.writeBack(), f.file.Sync()); err != nil {
		return f.fail("sync", err)
	}
	return nil
}

// readSpace returns a copy of the first size bytes of the file. It has no more than as many again to
// grow: what is reserved would take memory.
func (f *File) readSpace(capacity, size int) (*space, error) {
	sp := &space{mem: make([]byte, min(capacity, 2*size)), memory: true}
	return sp, f.readMore(sp.mem[:size], 0)
}

// readMore reads the file from off on to memory that no reader sees yet.
func (f *File) readMore(to []byte, off int64) error {
	n, err := f.file.ReadAt(to, off)
	switch {
	case n == len(to):
		return nil
	case errors.Is(err, io.EOF):
		return f.foreign(off + int64(n))
	}
	return err
}

// moved returns sp with the contents of m, if it is a copy: they may be newer than the file's.
func (m *mapping) moved(sp *space) *space {
	if sp.memory {
		copy(sp.mem, m.data)
	}
	return sp
}

// writeBack writes what readers may have stored, also what a Truncate waits to take away. The caller
// holds writers.
func (f *File) writeBack() error {
	_, err := f.file.WriteAt(f.cur.LoadSerialized().sp.mem[:f.sizeLocked()], 0)
	return err
}

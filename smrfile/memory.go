package smrfile

import (
	"errors"
	"fmt"
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

// mostMemory is how long a file in memory may be: a TiB, or a GiB where addresses have 32 bits.
const mostMemory = 1 << 30 << (10 * (^uintptr(0) >> 63))

func tooLong(size int64) error {
	return fmt.Errorf("%w: %d bytes, and a file in memory may have %d", ErrRange, size, int64(mostMemory))
}

// memorySpace returns Go memory for size bytes, and for no more than as many again to grow: what is
// reserved would take memory.
func memorySpace(capacity, size int) (*space, error) {
	if size > mostMemory {
		return nil, tooLong(int64(size))
	}
	return &space{mem: make([]byte, size+min(size, capacity-size, mostMemory-size)), memory: true}, nil
}

// fill makes sp, if it is Go memory, a copy of the first size bytes of the file. have are those which it
// has already, or an older copy, which may be newer than the file. No reader sees the rest yet.
func (f *File) fill(sp *space, have []byte, size int) error {
	if !sp.memory {
		return nil
	}
	if len(have) > 0 && &have[0] != &sp.mem[0] {
		copy(sp.mem, have)
	}
	off := int64(len(have))
	n, err := f.file.ReadAt(sp.mem[off:size], off)
	switch {
	case n == size-len(have):
		return nil
	case errors.Is(err, io.EOF):
		return f.foreign(off + int64(n))
	}
	return err
}

// writeBack writes what readers may have stored, also what a Truncate waits to take away. The caller
// holds writers.
func (f *File) writeBack() error {
	_, err := f.file.WriteAt(f.cur.LoadSerialized().sp.mem[:f.sizeLocked()], 0)
	return err
}

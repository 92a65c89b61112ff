package smrfile

import (
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// Grow makes the file size bytes long. It never waits for readers: it publishes a longer mapping, and
// the old one ends when its readers have left. What is new reads as zeros. Grow does nothing if the
// file has that size already, and fails if it has more.
//
// A file that is open for reading grows only to what another process has made of it: then Grow shows
// what is there up to size, and fails if the file is shorter. What others have truncated it does not
// extend: that is a [*FaultError]. (Truncate to the size that is left, or less, then Grow;
// open for reading, open it anew.)
//
// If Grow fails, for want of space on the disk or of addresses, the file is as it was. (A file to which
// others append meanwhile may then lose what they did, and so may another File of the same path: have one
// for writing.) A Truncate that waits for readers gives up ([ErrGrown]) for a Grow that does not fail with [ErrRange]: until it has
// truncated, the file has its old size.
func (f *File) Grow(size int64) error {
	if err := f.lockOpen("grow"); err != nil {
		return err
	}
	defer f.writers.Unlock()
	if err := f.growLocked(size); err != nil {
		return f.fail("grow", err)
	}
	return nil
}

func (f *File) growLocked(size int64) error {
	old := int64(f.sizeLocked())
	switch {
	case size < old:
		return fmt.Errorf("%w: to %d, from %d bytes: that is for Truncate", ErrRange, size, old)
	case size > math.MaxInt:
		return fmt.Errorf("%w: %d bytes are more than can be addressed", ErrRange, size)
	case f.o.Reserve > 0 && size > f.o.Reserve:
		return fmt.Errorf("%w: to %d bytes, and Options.Reserve is %d", ErrRange, size, f.o.Reserve)
	case f.inMemory() && size > mostMemory:
		return tooLong(size)
	}
	f.undoLocked()
	if size == old {
		return nil
	}
	m := f.cur.LoadSerialized()
	onDisk, err := f.sizeOnDisk()
	switch {
	case err != nil:
		return err
	case onDisk < old && !m.sp.memory:
		return f.foreign(onDisk)
	case onDisk < size && !f.o.Write:
		return fmt.Errorf("%w: to %d bytes, of which the file has %d, and Options.Write is not set", ErrRange, size, onDisk)
	}
	sp, err := f.spaceFor(m.sp, int(size))
	if err != nil {
		return err
	}
	if err := f.lengthen(m, sp, onDisk, size); err != nil {
		if sp != m.sp {
			sp.end(f)
		}
		return err
	}
	f.publish(f.newMapping(sp, int(size)))
	return nil
}

// spaceFor returns sp if it has size bytes, else a space that has, with room to grow if there are
// addresses enough.
func (f *File) spaceFor(sp *space, size int) (*space, error) {
	if size <= len(sp.mem) {
		return sp, nil
	}
	const most = 1 << 30 // grown by at once
	if wide := len(sp.mem) + min(len(sp.mem), most); wide > size && unsafe.Sizeof(0) == 8 {
		if sp, err := f.newSpace(wide, size); err == nil {
			return sp, nil
		}
	}
	return f.newSpace(size, size)
}

// lengthen makes the file longer on the disk, where it has fewer bytes, and reads what is new if sp is a
// copy. If it fails the file is as it was.
func (f *File) lengthen(m *mapping, sp *space, onDisk, size int64) (err error) {
	if onDisk < size {
		err = f.extend(onDisk, size)
	}
	if err == nil {
		err = f.fill(sp, m.data, int(size))
	}
	if err == nil || onDisk >= size {
		return err
	}
	if now, _ := f.sizeOnDisk(); onDisk < now && now <= size { // else others have appended to it
		err = errors.Join(err, ftruncate(f.file, onDisk))
	}
	return err
}

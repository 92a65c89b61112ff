package smrfile

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/smr"
)

// ErrRange is wrapped by the error for an offset and a length that are negative, overflow, or go
// beyond the file's size.
var ErrRange = errors.New("offset or length out of range")

// Options are the options of [Open] and [New]. The zero Options map a file for reading.
type Options struct {
	// Write opens the file for reading and writing: stores to a view reach the file, and WriteAt,
	// Grow and Truncate may change it. (New maps the file so; it must be open for both.)
	Write bool

	// Reserve is how many bytes of addresses the file gets at once. Up to that size it grows in
	// place: addresses stay, nothing is retired, and a slice of a view made before Grow and one made
	// after it are of the same memory. Beyond it Grow fails. Addresses cost no memory. 0: a file that
	// outgrows its addresses gets others, twice as many.
	Reserve int64

	// Sparse lets Grow extend the file without blocks on the disk. Then a store to a view faults
	// where the disk is full; else Grow has the system allocate the blocks, where it can, and fails.
	Sparse bool

	// InMemory reads the file to memory instead of mapping it, as is always done where the system
	// can't map it: see the package doc. Then it may have a TiB, or a GiB where addresses have 32 bits.
	InMemory bool

	// Advice is given to the system for each mapping of the file.
	Advice Advice

	// Quarantine keeps addresses of some mappings that ended, so that a late use of a view faults.
	Quarantine Quarantine
}

// A File is a file in memory that readers borrow parts of, without a lock or a count, while it grows,
// shrinks, and is closed. All methods are safe for concurrent use. Make it with [Open] or [New], and Close
// it: the collector does not unmap it.
//
// To replace files by others use a [Set], also for one: a reader that finds a File by a pointer of yours
// may come to View after its Close.
type File struct {
	dom     *smr.Domain
	path    string
	abs     string // of path when the file was opened, for Remove
	o       Options
	file    *os.File    // closed after the last mapping has ended
	fd      uintptr     // of file: for use in a section, or with a mapping held
	noMap   atomic.Bool // the file system has no mappings; written holding writers
	noCache atomic.Bool // the system does not tell what is in its cache; written by readers

	// cur is what View sees, nil once the file is closed. Writers store it, holding writers; readers
	// load it in a section.
	cur smr.Pointer[mapping]

	// writers serializes Grow, Truncate, Close, and in memory WriteAt and Sync. It is held for system
	// calls, but while no reader is waited for: so writers may be in sections and callbacks.
	writers sync.Mutex
	waiting *truncation // that waits for readers, with writers unlocked; guarded by writers

	truncates truncateLock // serializes Truncate

	// open ends when Close or Remove begins, which shut does.
	open context.Context
	shut context.CancelFunc

	mu      sync.Mutex            // guards all below, and space.users: a leaf, held for no system call
	live    map[*mapping]struct{} // mappings that readers may use: the current one, and retired ones
	changed chan struct{}         // closed when a mapping ends; nil if no goroutine waits
	closing bool                  // Close or Remove has begun
	remove  bool                  // it is Remove
	left    bool                  // its caller has given up waiting
	onEnd   func(err error)       // called when the file has ended, if it is a Set that closed it
	endErr  error                 // of closing and removing; constant once ended is closed
	ended   chan struct{}         // closed when nothing of the file is left
}

// Open maps the file at path, for whose readers d knows. It panics if d is nil.
func Open(d *smr.Domain, path string, o Options) (*File, error) {
	flag := os.O_RDONLY
	if o.Write {
		flag = os.O_RDWR
	}
	file, err := os.OpenFile(path, flag, 0)
	if err != nil {
		return nil, err
	}
	f, err := New(d, file, o)
	if err != nil {
		file.Close()
		return nil, err
	}
	return f, nil
}

// New is Open for a file that is already open, as by a program that creates it. It takes the file over,
// and Close closes it: do not close file, as its descriptor would soon be another file's. If New fails,
// the file stays the caller's. The file must be a regular one.
func New(d *smr.Domain, file *os.File, o Options) (*File, error) {
	if d == nil {
		panic("smrfile: nil domain")
	}
	f := &File{dom: d, path: file.Name(), o: o, file: file,
		live: make(map[*mapping]struct{}), ended: make(chan struct{})}
	size, err := f.sizeOnDisk()
	if err != nil {
		return nil, f.fail("open", err)
	}
	if o.Reserve < 0 || o.Reserve > math.MaxInt || size > math.MaxInt {
		return nil, f.fail("open", fmt.Errorf("%w: %d bytes, and %d to reserve", ErrRange, size, o.Reserve))
	}
	if o.Reserve > 0 && size > o.Reserve {
		return nil, f.fail("open", fmt.Errorf("%w: it has %d bytes, and Options.Reserve is %d", ErrRange, size, o.Reserve))
	}
	if f.abs, err = filepath.Abs(f.path); err != nil {
		return nil, f.fail("open", err)
	}
	conn, err := file.SyscallConn()
	if err == nil {
		err = conn.Control(func(fd uintptr) { f.fd = fd })
	}
	if err != nil {
		return nil, f.fail("open", err)
	}
	f.truncates = make(truncateLock, 1)
	f.cur.In(d)
	f.cur.GuardedBy(&f.writers)
	sp, err := f.newSpace(int(max(size, o.Reserve)), int(size))
	if err == nil {
		err = f.fill(sp, nil, int(size))
	}
	if err != nil {
		return nil, f.fail("open", err)
	}
	f.open, f.shut = context.WithCancel(context.Background())
	f.cur.Init(f.newMapping(sp, int(size)))
	return f, nil
}

// sizeOnDisk returns the size that the file has now, whoever changed it.
func (f *File) sizeOnDisk() (int64, error) {
	info, err := f.file.Stat()
	switch {
	case err != nil:
		return 0, err
	case !info.Mode().IsRegular():
		return 0, errors.New("not a regular file")
	}
	return info.Size(), nil
}

// Domain returns the file's domain: that of the sections in which it is read.
func (f *File) Domain() *smr.Domain { return f.dom }

// Enter enters a section of the file's domain. It panics if the domain is closed.
func (f *File) Enter() smr.Section { return f.dom.Enter() }

// Path returns the path by which the file was opened.
func (f *File) Path() string { return f.path }

// Size returns how many bytes can be viewed: the size at Open, or of the last Grow or Truncate. It is
// 0 once the file is closed. A section that is to rely on it must be open before.
func (f *File) Size() int64 {
	s, ok := f.dom.TryEnter()
	if !ok {
		return 0
	}
	defer s.Leave()
	return f.SizeIn(s)
}

// enter enters a section for an operation.
func (f *File) enter(op string) (smr.Section, error) {
	s, ok := f.dom.TryEnter()
	switch {
	case ok:
		return s, nil
	case f.open.Err() != nil:
		return s, f.fail(op, fs.ErrClosed)
	}
	return s, f.fail(op, smr.ErrClosed)
}

// SizeIn is Size in an open section: in it, views within that size succeed until a Truncate or Close.
func (f *File) SizeIn(s smr.Section) int64 {
	if m := f.cur.Load(s); m != nil {
		return int64(len(m.data))
	}
	return 0
}

// fail returns the error of an operation, with the path.
func (f *File) fail(op string, err error) error {
	if is, ok := err.(*fs.PathError); ok { // not errors.As: other errors may be joined to it
		err = is.Err
	}
	return &fs.PathError{Op: "smrfile: " + op, Path: f.path, Err: err}
}

// checkMayBlock panics in a pinned section, under -tags invariants: what op touches may wait for the disk,
// and a fault there would end the program.
func (f *File) checkMayBlock(op string) {
	if invariants.Enabled {
		smr.CheckMayBlock("smrfile: " + op + " of " + f.path)
	}
}

func (f *File) isClosed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.closing
}

// checkMayWait panics in a section of the file's domain, under -tags invariants: op waits for it, unless
// the file is closed.
func (f *File) checkMayWait(op string) {
	if invariants.Enabled && !f.isClosed() {
		f.dom.CheckMayWait("smrfile: " + op + " of " + f.path)
	}
}

// A truncateLock is a mutex that a context ends the wait for.
type truncateLock chan struct{}

// lock takes the lock of f, also if ctx has ended, if it is free.
func (l truncateLock) lock(ctx context.Context, f *File) error {
	select {
	case l <- struct{}{}:
		return nil
	default:
	}
	if err := mayWait(f.dom); err != nil { // its holder waits for the caller's callback, or section
		return err
	}
	select {
	case l <- struct{}{}:
		return nil
	case <-f.open.Done():
		return fs.ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l truncateLock) unlock() { <-l }

// lockOpen locks the writers, unless the file or the domain is closed.
func (f *File) lockOpen(op string) error {
	f.checkMayBlock(op)
	f.writers.Lock()
	err := error(nil)
	switch {
	case f.open.Err() != nil:
		err = fs.ErrClosed
	case f.dom.Closed():
		err = smr.ErrClosed
	default:
		return nil
	}
	f.writers.Unlock()
	return f.fail(op, err)
}

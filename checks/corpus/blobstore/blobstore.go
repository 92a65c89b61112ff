// Package blobstore keeps blobs in volumes, which are mapped files. Small blobs are sent from where they
// lie; a volume is compacted while others read it.
package blobstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
	"github.com/gosmr/gosmr/smrmap"
)

// Errors of the store.
var (
	ErrNotFound = errors.New("blobstore: not found")
	ErrDamaged  = errors.New("blobstore: checksum differs")
)

// A place says where a blob is. It holds no pointers, so the index is off the Go heap.
type place struct {
	volume uint32
	sum    uint32
	off    int64
	size   int64
}

// A volume is a file that blobs are appended to.
type volume struct {
	n    uint32
	file *smrfile.File
	end  int64 // guarded by Store.mu
	live int64
}

// A Store has blobs.
type Store struct {
	dom     *smr.Domain
	dir     string
	index   *smrmap.Map[[20]byte, place]
	volumes *smrmap.Map[uint32, *volume]

	mu     sync.Mutex // writers
	active *volume
	next   uint32
	limit  int64
}

// A Key names a blob.
type Key [20]byte

// Open returns an empty store in dir, with volumes of about limit bytes.
func Open(dir string, limit int64) (*Store, error) {
	dom, err := smr.New(smr.Options{Name: "blobs"})
	if err != nil {
		return nil, err
	}
	st := &Store{dom: dom, dir: dir, limit: limit}
	if st.index, err = smrmap.New[[20]byte, place](smrmap.Options{Domain: dom}); err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	if st.volumes, err = smrmap.New[uint32, *volume](smrmap.Options{Domain: dom}); err != nil {
		return nil, errors.Join(err, st.index.Close(context.Background()), dom.Close(context.Background()))
	}
	st.mu.Lock()
	err = st.rollLocked()
	st.mu.Unlock()
	if err != nil {
		return nil, errors.Join(err, st.Close(context.Background()))
	}
	return st, nil
}

// rollLocked begins a new volume.
func (st *Store) rollLocked() error {
	n := st.next
	path := filepath.Join(st.dir, fmt.Sprintf("%04d.vol", n))
	osf, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	if err != nil {
		return err
	}
	f, err := smrfile.New(st.dom, osf, smrfile.Options{Write: true, Reserve: 4 * st.limit, Sparse: true})
	if err != nil {
		return errors.Join(err, osf.Close(), os.Remove(path))
	}
	v := &volume{n: n, file: f}
	if err := st.volumes.Store(n, v); err != nil {
		return errors.Join(err, f.Remove(context.Background()))
	}
	st.next++
	st.active = v
	return nil
}

// Put stores a blob. One that is there is replaced.
func (st *Store) Put(key Key, blob []byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	return st.putLocked(key, blob)
}

func (st *Store) putLocked(key Key, blob []byte) error {
	if st.active.end > 0 && st.active.end+int64(len(blob)) > st.limit {
		if err := st.rollLocked(); err != nil {
			return err
		}
	}
	v := st.active
	off := v.end
	if end := off + int64(len(blob)); end > v.file.Size() {
		if err := v.file.Grow(max(end, min(2*end, st.limit))); err != nil {
			return err
		}
	}
	if _, err := v.file.WriteAt(blob, off); err != nil {
		return err
	}
	v.end = off + int64(len(blob))
	p := place{volume: v.n, sum: crc32.ChecksumIEEE(blob), off: off, size: int64(len(blob))}
	old, replaced := st.index.Load(key)
	if err := st.index.Store(key, p); err != nil {
		return err
	}
	v.live += p.size
	if replaced {
		st.deadLocked(old)
	}
	return nil
}

func (st *Store) deadLocked(p place) {
	if v, ok := st.volumes.Load(p.volume); ok {
		v.live -= p.size
	}
}

// Delete deletes a blob.
func (st *Store) Delete(key Key) bool {
	st.mu.Lock()
	defer st.mu.Unlock()
	p, ok := st.index.LoadAndDelete(key)
	if ok {
		st.deadLocked(p)
	}
	return ok
}

// find returns where a blob is, and its volume, to a reader in section s. A compaction may take the
// volume away in between: then it looks again.
func (st *Store) find(s smr.Section, key Key) (place, *smrfile.File, error) {
	for {
		p, ok := st.index.LoadIn(s, key)
		if !ok {
			return place{}, nil, ErrNotFound
		}
		if v, ok := st.volumes.LoadIn(s, p.volume); ok {
			return *p, (*v).file, nil
		}
		if again, ok := st.index.LoadIn(s, key); ok && *again == *p {
			return place{}, nil, fs.ErrClosed // the store was
		}
	}
}

// blob returns a blob, borrowed in section s.
func (st *Store) blob(s smr.Section, key Key) ([]byte, error) {
	for {
		p, f, err := st.find(s, key)
		if err != nil {
			return nil, err
		}
		b, err := f.View(s, p.off, int(p.size))
		if errors.Is(err, fs.ErrClosed) && !st.dom.Closed() {
			if q, ok := st.index.LoadIn(s, key); ok && *q != p {
				continue // it was moved
			}
		}
		if err != nil {
			return nil, err
		}
		if crc32.ChecksumIEEE(b) != p.sum {
			return nil, ErrDamaged
		}
		return b, nil
	}
}

// Get returns a copy of a blob.
func (st *Store) Get(key Key) ([]byte, error) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return nil, fs.ErrClosed
	}
	defer s.Leave()
	b, err := st.blob(s, key)
	if err != nil {
		return nil, err
	}
	return bytes.Clone(b), nil
}

// Stat returns the size of a blob.
func (st *Store) Stat(key Key) (size int64, err error) {
	p, ok := st.index.Load(key)
	if !ok {
		return 0, ErrNotFound
	}
	return p.size, nil
}

// hold holds the volume of a blob.
func (st *Store) hold(key Key) (place, smrfile.Held, error) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return place{}, smrfile.Held{}, fs.ErrClosed
	}
	defer s.Leave()
	for {
		p, f, err := st.find(s, key)
		if err != nil {
			return place{}, smrfile.Held{}, err
		}
		if h := f.Hold(s); h.Active() {
			return p, h, nil
		}
		if st.dom.Closed() {
			return place{}, smrfile.Held{}, fs.ErrClosed
		}
	}
}

// WriteTo writes a blob to a client, who may take long.
func (st *Store) WriteTo(w io.Writer, key Key) (int64, error) {
	p, h, err := st.hold(key)
	if err != nil {
		return 0, err
	}
	defer h.Release()
	b, err := h.View(p.off, int(p.size))
	if err != nil {
		return 0, err
	}
	n, err := w.Write(b)
	return int64(n), err
}

// A Reader reads a blob in parts.
type Reader struct {
	held smrfile.Held
	p    place
	at   int64
}

// Reader returns a reader, to be closed.
func (st *Store) Reader(key Key) (*Reader, error) {
	p, h, err := st.hold(key)
	if err != nil {
		return nil, err
	}
	return &Reader{held: h, p: p}, nil
}

// Read reads.
func (r *Reader) Read(p []byte) (int, error) {
	n := min(int64(len(p)), r.p.size-r.at)
	if n == 0 {
		return 0, io.EOF
	}
	b, err := r.held.View(r.p.off+r.at, int(n))
	if err != nil {
		return 0, err
	}
	r.at += n
	return copy(p, b), nil
}

// Close ends the reader.
func (r *Reader) Close() error {
	r.held.Release()
	return nil
}

// Compact moves the blobs out of the volumes of which less than part is live, and removes those.
func (st *Store) Compact(ctx context.Context, part float64) (removed int, err error) {
	st.mu.Lock()
	var old []*volume
	for _, v := range st.volumes.All() {
		if v != st.active && float64(v.live) < part*float64(v.end) {
			old = append(old, v)
		}
	}
	for _, v := range old {
		if err = st.evacuateLocked(v); err != nil {
			break
		}
		st.volumes.Delete(v.n)
		removed++
	}
	st.mu.Unlock()
	for _, v := range old[:removed] {
		err = errors.Join(err, v.file.Remove(ctx)) // waits for readers, with no lock held
	}
	return removed, err
}

// evacuateLocked copies the live blobs of a volume to the active one.
func (st *Store) evacuateLocked(v *volume) error {
	for key, p := range st.index.All() {
		if p.volume != v.n {
			continue
		}
		blob := make([]byte, p.size)
		if _, err := v.file.ReadAt(blob, p.off); err != nil {
			return err
		}
		if err := st.putLocked(key, blob); err != nil {
			return err
		}
	}
	return nil
}

// Trim gives back what the active volume has reserved on the disk, if its readers leave in time.
func (st *Store) Trim(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	st.mu.Lock()
	defer st.mu.Unlock()
	err := st.active.file.Truncate(ctx, st.active.end)
	if errors.Is(err, smrfile.ErrGrown) || errors.Is(err, context.DeadlineExceeded) {
		return nil // another time
	}
	return err
}

// Sync returns when all blobs are on the disk.
func (st *Store) Sync() error {
	st.mu.Lock()
	defer st.mu.Unlock()
	var errs []error
	for _, v := range st.volumes.All() {
		errs = append(errs, v.file.Sync())
	}
	return errors.Join(errs...)
}

// Close closes the store.
func (st *Store) Close(ctx context.Context) error {
	var files []*smrfile.File
	st.mu.Lock()
	for _, v := range st.volumes.All() {
		files = append(files, v.file)
	}
	st.mu.Unlock()
	errs := []error{st.index.Close(ctx), st.volumes.Close(ctx)}
	for _, f := range files {
		errs = append(errs, f.Close(ctx))
	}
	return errors.Join(append(errs, st.dom.Close(ctx))...)
}

package main

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// A Value is what a row has. It has no Go pointers, so versions are off the Go heap.
type Value [4]int64

// A version is a row's value from a commit on, until the next version's. A row leads to the newest,
// and each to the one before:
//
//	row ──▶ 9 ──▶ 7 ──▶ 2
//
// A snapshot at 8 reads that of 7. If it is the oldest snapshot, none reads that of 2: the next commit
// that writes to the row unlinks and retires it. A reader in a section may still be there.
type version struct {
	commit uint64
	value  Value
	older  smr.Pointer[version]
}

// A row stays as long as the store.
type row struct{ newest smr.Pointer[version] }

// A Store keeps versions of rows in memory. Reads take no lock. A snapshot is a number, and no section:
// it holds up no grace period, however long it lives, and keeps the versions that it reads.
type Store struct {
	dom      *smr.Domain
	rows     *smrmap.Map[uint64, *row]
	versions *slab.Pool[version]

	mu     sync.Mutex    // commits
	last   atomic.Uint64 // the last commit: written by the holder of mu when all its versions are linked
	closed atomic.Bool   // written by the holder of mu

	snapMu    sync.Mutex // taken after mu
	snapshots map[uint64]int
}

// New returns an empty store.
func New() (*Store, error) {
	dom, err := smr.New(smr.Options{Name: "mvcc"})
	if err != nil {
		return nil, err
	}
	rows, err := smrmap.New[uint64, *row](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background())) // no reader yet
	}
	versions := slab.New[version](dom, slab.Options{OffHeapLinks: true}) // older leads to versions only
	return &Store{dom: dom, rows: rows, versions: versions, snapshots: make(map[uint64]int)}, nil
}

// Get returns the present value of a row, and whether there is one.
func (st *Store) Get(key uint64) (value Value, ok bool, err error) {
	for {
		last := st.last.Load()
		value, ok, err = st.read(key, last)
		// No snapshot keeps the versions of last: a commit since may have unlinked this row's.
		if ok || err != nil || st.last.Load() == last {
			return value, ok, err
		}
	}
}

// read returns the value of a row at a commit.
func (st *Store) read(key, at uint64) (value Value, ok bool, err error) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return Value{}, false, smr.ErrClosed
	}
	defer s.Leave()
	if r, ok := st.rows.Load(key); ok {
		for v := r.newest.Load(s); v != nil; v = v.older.Load(s) {
			if v.commit <= at {
				return v.value, true, nil // a copy: the version is the pool's after Leave
			}
		}
	}
	if st.closed.Load() {
		return Value{}, false, smr.ErrClosed
	}
	return Value{}, false, nil
}

// rowLocked returns a row to a commit, and makes it if there is none.
func (st *Store) rowLocked(key uint64) (*row, error) {
	r, ok := st.rows.Load(key)
	if ok {
		return r, nil
	}
	r = new(row)
	r.newest.In(st.dom)
	r.newest.GuardedBy(&st.mu)
	return r, st.rows.Store(key, r)
}

// writeLocked links a version, which readers skip until last is its commit.
func (st *Store) writeLocked(r *row, v *version, value Value, oldest uint64) {
	newest := r.newest.LoadSerialized()
	v.commit, v.value = st.last.Load()+1, value
	v.older.Init(newest)
	r.newest.Store(v)
	for newest != nil && newest.commit > oldest {
		newest = newest.older.LoadSerialized()
	}
	if newest != nil { // the one that the oldest snapshot reads
		tail := newest.older.LoadSerialized()
		newest.older.Clear()
		st.retireLocked(tail)
	}
}

// retireLocked retires versions that were unlinked.
func (st *Store) retireLocked(v *version) {
	for v != nil {
		older := v.older.LoadSerialized()
		st.versions.Retire(v)
		v = older
	}
}

// A Snapshot is the store as it was after a commit.
type Snapshot struct {
	st *Store
	at uint64
}

// Snapshot returns the store as it is now. Close it.
func (st *Store) Snapshot() Snapshot {
	st.snapMu.Lock()
	defer st.snapMu.Unlock()
	sn := Snapshot{st, st.last.Load()}
	st.snapshots[sn.at]++
	return sn
}

// Get returns the value of a row, and whether there was one.
func (sn Snapshot) Get(key uint64) (value Value, ok bool, err error) { return sn.st.read(key, sn.at) }

// Close ends the snapshot: what it kept goes with later commits.
func (sn Snapshot) Close() {
	sn.st.snapMu.Lock()
	defer sn.st.snapMu.Unlock()
	if sn.st.snapshots[sn.at]--; sn.st.snapshots[sn.at] == 0 {
		delete(sn.st.snapshots, sn.at)
	}
}

// oldestLocked returns the commit that the oldest snapshot reads, also of those that come later.
func (st *Store) oldestLocked() uint64 {
	st.snapMu.Lock()
	defer st.snapMu.Unlock()
	oldest := st.last.Load()
	for at := range st.snapshots {
		oldest = min(oldest, at)
	}
	return oldest
}

// Close gives the memory back, when readers have left or ctx has ended. Reads fail from then on.
func (st *Store) Close(ctx context.Context) error {
	st.mu.Lock()
	st.closed.Store(true)
	for _, r := range st.rows.All() {
		newest := r.newest.LoadSerialized()
		r.newest.Clear()
		st.retireLocked(newest)
	}
	st.mu.Unlock()
	return errors.Join(st.rows.Close(ctx), st.versions.Close(ctx), st.dom.Close(ctx))
}

package main

import (
	"errors"

	"github.com/gosmr/gosmr/smr"
)

// ErrConflict is returned by a Commit that would overwrite what its transaction has not seen. Begin
// another one.
var ErrConflict = errors.New("another transaction has written to a row")

// A Txn reads a snapshot, and its own writes. One goroutine uses it.
type Txn struct {
	Snapshot
	writes map[uint64]Value
}

// Begin begins a transaction. End it by Commit or Close.
func (st *Store) Begin() *Txn { return &Txn{st.Snapshot(), make(map[uint64]Value)} }

// Get returns the value of a row, and whether there is one.
func (tx *Txn) Get(key uint64) (value Value, ok bool, err error) {
	if value, ok := tx.writes[key]; ok {
		return value, true, nil
	}
	return tx.Snapshot.Get(key)
}

// Set sets the value of a row.
func (tx *Txn) Set(key uint64, value Value) { tx.writes[key] = value }

// Commit writes all or nothing, and ends the transaction. The first to commit wins (snapshot
// isolation). The error wraps slab.ErrNoMemory if there is no memory for the versions.
func (tx *Txn) Commit() error {
	st := tx.st
	defer tx.Close()
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.closed.Load() {
		return smr.ErrClosed
	}
	rows, err := tx.checkLocked()
	if err != nil {
		return err
	}
	versions, err := tx.allocate()
	if err != nil {
		return err
	}
	oldest := st.oldestLocked()
	for key, r := range rows {
		st.writeLocked(r, versions[key], tx.writes[key], oldest)
	}
	st.last.Store(st.last.Load() + 1) // all at once, for readers
	return nil
}

// checkLocked returns the rows to write to.
func (tx *Txn) checkLocked() (map[uint64]*row, error) {
	rows := make(map[uint64]*row)
	for key := range tx.writes {
		r, err := tx.st.rowLocked(key)
		if err != nil {
			return nil, err
		}
		if newest := r.newest.LoadSerialized(); newest != nil && newest.commit > tx.at {
			return nil, ErrConflict
		}
		rows[key] = r
	}
	return rows, nil
}

// allocate returns all versions, or none.
func (tx *Txn) allocate() (map[uint64]*version, error) {
	versions := make(map[uint64]*version)
	for key := range tx.writes {
		v, err := tx.st.versions.Get()
		if err != nil {
			for _, v := range versions {
				tx.st.versions.Free(v) // no reader has seen it
			}
			return nil, err
		}
		versions[key] = v
	}
	return versions, nil
}

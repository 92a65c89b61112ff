package main

import (
	"iter"
	"slices"

	"github.com/gosmr/gosmr/smr"
)

// A Snapshot is the tree as it was, for as long as it likes. It holds a version, and so the pages of
// that and of later versions; it is in no section between two reads, and holds up nothing else.
type Snapshot struct {
	db   *DB
	held smr.Held[version]
}

// Snapshot returns the present tree. Close it.
func (db *DB) Snapshot() (*Snapshot, error) {
	s, ok := db.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	defer s.Leave()
	return &Snapshot{db, smr.Hold(s, db.current.Load(s))}, nil
}

// Get appends the value of a key to dst, and reports whether there is one.
func (sn *Snapshot) Get(key, dst []byte) (value []byte, ok bool, err error) {
	s, ok := sn.db.dom.TryEnter()
	if !ok {
		return dst, false, smr.ErrClosed
	}
	defer s.Leave()
	return sn.db.get(s, sn.held.Get().root, key, dst)
}

// All iterates over the records from a key on: a copy of each leaf, so that the loop's body is in no
// section. The error, if any, comes last.
func (sn *Snapshot) All(from []byte) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		for {
			n, next, err := sn.copyLeaf(from)
			if err != nil {
				yield(Record{}, err)
				return
			}
			for i := n.seek(from); i < n.len(); i++ {
				if it := n.item(i); !yield(Record{it.key, it.value}, nil) {
					return
				}
			}
			if next == nil {
				return
			}
			from = next
		}
	}
}

func (sn *Snapshot) copyLeaf(key []byte) (n node, next []byte, err error) {
	s, ok := sn.db.dom.TryEnter()
	if !ok {
		return nil, nil, smr.ErrClosed
	}
	defer s.Leave()
	n, next, err = sn.db.leafOf(s, sn.held.Get().root, key)
	return slices.Clone(n), slices.Clone(next), err
}

// Close releases the version.
func (sn *Snapshot) Close() { sn.held.Release() }

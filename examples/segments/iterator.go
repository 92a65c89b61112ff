package main

import (
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// An Iterator sees the segments of when it was made, in the order of keys, for as long as it likes. It
// holds them: those that are compacted meanwhile stay until Close, and nothing else does. Between two
// steps it is in no section, so it holds up no grace period.
type Iterator struct {
	dom     *smr.Domain
	held    smrfile.HeldView[span]
	spans   []span
	cursors []cursor
	at      *cursor // the record that Next came to
	err     error
}

// A cursor is at a record of one segment, which it has copied.
type cursor struct {
	file  *smrfile.File
	next  int // the record after it
	ended bool
	key   string
	value []byte
	gone  bool // the key was deleted
}

// NewIterator returns an iterator before the first key that is not less than from. Close it.
func (st *Store) NewIterator(from string) (*Iterator, error) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return nil, smr.ErrClosed
	}
	defer s.Leave()
	it := &Iterator{dom: st.dom, held: st.set.Hold(s)}
	for sp, f := range it.held.All() {
		r, err := newReader(s, f)
		if err != nil {
			it.Close()
			return nil, err
		}
		it.spans = append(it.spans, sp)
		c := cursor{file: f, next: r.seek(from)}
		c.step(r)
		it.cursors = append(it.cursors, c)
	}
	return it, nil
}

// step goes to the next record.
func (c *cursor) step(r reader) {
	if c.next == r.n {
		c.ended = true
		return
	}
	key, value := r.record(c.next)
	c.next++
	c.key, c.value, c.gone = string(key), append(c.value[:0], value...), value == nil
}

// Next goes to the next key that has a value, and reports whether there is one.
func (it *Iterator) Next() bool {
	for it.next() {
		if !it.at.gone {
			return true
		}
	}
	return false
}

// next is Next, and comes to deleted keys as well.
func (it *Iterator) next() bool {
	if it.err != nil {
		return false
	}
	if it.at != nil {
		it.err = it.skip(it.at.key)
	}
	it.at = nil
	for i := range it.cursors {
		c := &it.cursors[i]
		if !c.ended && (it.at == nil || c.key <= it.at.key) { // of equal keys the last is the newest
			it.at = c
		}
	}
	return it.at != nil && it.err == nil
}

// skip moves the cursors at key on, in one short section. The files are held.
func (it *Iterator) skip(key string) error {
	s, ok := it.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer s.Leave()
	for i := range it.cursors {
		c := &it.cursors[i]
		if c.ended || c.key != key {
			continue
		}
		r, err := newReader(s, c.file)
		if err != nil {
			return err
		}
		c.step(r)
	}
	return nil
}

// Key returns the key that Next came to.
func (it *Iterator) Key() string { return it.at.key }

// Value returns its value, which is valid until Next.
func (it *Iterator) Value() []byte {
	if it.at.gone {
		return nil
	}
	if it.at.value == nil {
		return []byte{}
	}
	return it.at.value
}

// Err returns what ended the iterator too early, if anything.
func (it *Iterator) Err() error { return it.err }

// Close releases the segments.
func (it *Iterator) Close() { it.held.Release() }

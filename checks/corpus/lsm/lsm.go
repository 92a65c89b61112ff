// Package lsm is a log-structured store: writes go to a table in memory, which becomes a sorted file
// when it is full; files are merged in the background. Readers take no lock, and borrow from the files.
package lsm

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"os"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
	"github.com/gosmr/gosmr/smrmap"
)

// ErrNotFound is returned for keys that are not there.
var ErrNotFound = errors.New("lsm: not found")

// A memtable has the newest writes. A value begins with its kind.
type memtable struct {
	items *smrmap.Bytes
	size  atomic.Int64
}

// tables are the memtables that readers look into: the one that is written to, and the one that is
// being written to a file.
type tables struct {
	active, frozen *memtable
}

// A DB is a store.
type DB struct {
	dom      *smr.Domain
	dir      string
	segments *smrfile.Set[uint64]
	tables   smr.Pointer[tables]
	limit    int64

	mu      sync.Mutex // writes
	flushMu sync.Mutex // flushes and merges, taken before mu
	next    uint64     // the number of the next segment; guarded by flushMu

	unclosed []*memtable // flushed, but not closed as ctx ended; guarded by flushMu
}

// Open returns an empty store in dir, whose memtables have limit bytes.
func Open(dir string, limit int64) (*DB, error) {
	dom, err := smr.New(smr.Options{Name: "lsm"})
	if err != nil {
		return nil, err
	}
	db := &DB{dom: dom, dir: dir, segments: smrfile.NewSet[uint64](dom), limit: limit, next: 1}
	m, err := db.newMemtable()
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	db.tables.In(dom)
	db.tables.GuardedBy(&db.mu)
	db.tables.Init(&tables{active: m})
	return db, nil
}

func (db *DB) newMemtable() (*memtable, error) {
	items, err := smrmap.NewBytes(smrmap.Options{Domain: db.dom})
	if err != nil {
		return nil, err
	}
	return &memtable{items: items}, nil
}

// Put stores a value.
func (db *DB) Put(ctx context.Context, key, value []byte) error {
	return db.write(ctx, key, append([]byte{kindPut}, value...))
}

// Delete deletes a key.
func (db *DB) Delete(ctx context.Context, key []byte) error {
	return db.write(ctx, key, []byte{kindDelete})
}

func (db *DB) write(ctx context.Context, key, value []byte) error {
	db.mu.Lock()
	t := db.tables.LoadSerialized()
	err := t.active.items.Store(key, value)
	full := t.active.size.Add(int64(len(key)+len(value))) >= db.limit
	db.mu.Unlock()
	if err != nil || !full {
		return err
	}
	return db.Flush(ctx)
}

// Get appends the value of a key to dst.
func (db *DB) Get(key, dst []byte) ([]byte, error) {
	s, ok := db.dom.TryEnter()
	if !ok {
		return dst, smr.ErrClosed
	}
	defer s.Leave()
	value, err := db.find(s, key)
	if err != nil {
		return dst, err
	}
	return append(dst, value...), nil
}

// View calls fn with the value of a key itself.
func (db *DB) View(key []byte, fn func(value []byte) error) error {
	s, ok := db.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer s.Leave()
	value, err := db.find(s, key)
	if err != nil {
		return err
	}
	return fn(value)
}

// find returns the value of a key, borrowed in section s. It loads the memtables first: what has left
// them is in the segments by then.
func (db *DB) find(s smr.Section, key []byte) ([]byte, error) {
	t := db.tables.Load(s)
	for _, m := range [...]*memtable{t.active, t.frozen} {
		if m == nil {
			continue
		}
		if it, ok := m.items.LoadIn(s, key); ok {
			if it.Value[0] == kindDelete {
				return nil, ErrNotFound
			}
			return it.Value[1:], nil
		}
	}
	v := db.segments.Load(s)
	for i := v.Len() - 1; i >= 0; i-- {
		_, f := v.At(i)
		r, err := openRun(s, f)
		if err != nil {
			return nil, err
		}
		p, ok := r.find(key)
		switch {
		case !ok:
			continue
		case p.kind == kindDelete:
			return nil, ErrNotFound
		}
		return p.value, nil
	}
	return nil, ErrNotFound
}

// pairs returns the sorted contents of a memtable from key on, copied.
func (m *memtable) pairs(from []byte) []pair {
	var all []pair
	for k, it := range m.items.All() {
		if bytes.Compare(k, from) < 0 {
			continue
		}
		all = append(all, pair{bytes.Clone(k), bytes.Clone(it.Value[1:]), it.Value[0]})
	}
	slices.SortFunc(all, func(a, b pair) int { return bytes.Compare(a.key, b.key) })
	return all
}

// Flush writes the memtable to a segment.
func (db *DB) Flush(ctx context.Context) error {
	db.flushMu.Lock()
	defer db.flushMu.Unlock()
	fresh, err := db.newMemtable()
	if err != nil {
		return err
	}
	db.mu.Lock()
	t := db.tables.LoadSerialized()
	full := t.frozen
	if full == nil { // else an earlier flush has failed
		full = t.active
		db.tables.Store(&tables{active: fresh, frozen: full})
		fresh = nil
	}
	db.mu.Unlock()
	if fresh != nil {
		if err := fresh.items.Close(ctx); err != nil {
			return err
		}
	}
	if err := db.addSegment(ctx, slices.Values(full.pairs(nil)), nil); err != nil {
		return err
	}
	db.mu.Lock()
	db.tables.Store(&tables{active: db.tables.LoadSerialized().active})
	db.mu.Unlock()
	// Readers that have found the frozen table must not find it empty.
	if err := db.dom.Synchronize(ctx); err != nil {
		db.unclosed = append(db.unclosed, full)
		return err
	}
	return full.items.Close(ctx)
}

// addSegment adds a segment in place of others.
func (db *DB) addSegment(ctx context.Context, pairs iter.Seq[pair], instead []uint64) error {
	n := db.next
	db.next++
	path, err := writeSegment(db.dir, n, pairs)
	if err != nil {
		return err
	}
	f, err := smrfile.Open(db.dom, path, smrfile.Options{Advice: smrfile.Random})
	if err != nil {
		return errors.Join(err, os.Remove(path))
	}
	add := []smrfile.Entry[uint64]{{Key: n, File: f}}
	if err := db.segments.Replace(ctx, add, instead, smrfile.RemoveDropped); err != nil {
		return errors.Join(err, f.Remove(ctx))
	}
	return nil
}

// Merge makes one segment of all.
func (db *DB) Merge(ctx context.Context) error {
	db.flushMu.Lock()
	defer db.flushMu.Unlock()
	held, ok := db.holdSegments()
	if !ok {
		return smr.ErrClosed
	}
	if held.Len() < 2 {
		held.Release()
		return nil
	}
	var merged []pair
	var keys []uint64
	err := func() error {
		defer held.Release()
		s := db.dom.Enter()
		defer s.Leave()
		var seqs []iter.Seq[pair]
		for n, f := range held.All() {
			r, err := openRun(s, f)
			if err != nil {
				return err
			}
			keys = append(keys, n)
			seqs = append(seqs, r.from(nil))
		}
		for p := range merge(seqs) {
			if p.kind != kindDelete {
				merged = append(merged, p.clone())
			}
		}
		return nil
	}()
	if err != nil {
		return err
	}
	return db.addSegment(ctx, slices.Values(merged), keys)
}

func (db *DB) holdSegments() (held smrfile.HeldView[uint64], ok bool) {
	s, ok := db.dom.TryEnter()
	if !ok {
		return held, false
	}
	defer s.Leave()
	return db.segments.Hold(s), true
}

// Scan calls fn with the keys that have a prefix, in their order, as they were when it began, until fn
// returns false. fn may take long. Key and value are borrowed.
func (db *DB) Scan(prefix []byte, fn func(key, value []byte) bool) error {
	s, ok := db.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	t := db.tables.Load(s)
	var recent [][]pair
	for _, m := range [...]*memtable{t.frozen, t.active} {
		if m != nil {
			recent = append(recent, m.pairs(prefix))
		}
	}
	var seqs []iter.Seq[pair]
	var files []smrfile.Held
	defer func() {
		for _, h := range files {
			h.Release()
		}
	}()
	for _, f := range db.segments.Load(s).All() {
		files = append(files, f.Hold(s))
	}
	s.Leave()

	for _, h := range files {
		data, err := h.View(0, int(h.Size()))
		if err != nil {
			return err
		}
		r, err := parseRun("", data)
		if err != nil {
			return err
		}
		seqs = append(seqs, r.from(prefix))
	}
	for _, pairs := range recent {
		seqs = append(seqs, slices.Values(pairs))
	}
	for p := range merge(seqs) {
		if !bytes.HasPrefix(p.key, prefix) {
			break
		}
		if p.kind == kindDelete {
			continue
		}
		if !fn(p.key, p.value) {
			break
		}
	}
	return nil
}

// Segments returns how many segments there are.
func (db *DB) Segments() int {
	s := db.segments.Enter()
	defer s.Leave()
	return db.segments.Load(s).Len()
}

// Close flushes and closes the store.
func (db *DB) Close(ctx context.Context) error {
	err := db.Flush(ctx)
	db.mu.Lock()
	t := db.tables.LoadSerialized()
	db.mu.Unlock()
	db.flushMu.Lock()
	left := append(db.unclosed, t.active)
	db.unclosed = nil
	db.flushMu.Unlock()
	if t.frozen != nil {
		left = append(left, t.frozen)
	}
	for _, m := range left {
		err = errors.Join(err, m.items.Close(ctx))
	}
	return errors.Join(err, db.segments.Close(ctx), db.dom.Close(ctx))
}

package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrfile"
)

// A Store keeps records in segments, the last one has the newest. Write adds one, Compact replaces
// those that there are by one; readers and iterators see one list of segments, and wait for nothing.
//
// The name of a segment says which writes it has, "00000003-00000007.seg". So after a crash between the
// two steps of a compaction, Open knows which segments another one has replaced.
type Store struct {
	dom *smr.Domain
	dir string
	set *smrfile.Set[span]

	mu   sync.Mutex // Write: the order of segments
	last int        // guarded by mu: the number of the last write

	compaction sync.Mutex // one at a time
}

// A span is the writes that a segment has.
type span struct{ first, last int }

func (sp span) name() string { return fmt.Sprintf("%08d-%08d.seg", sp.first, sp.last) }

// Open opens the store in a directory. The domain is for its readers: Close it after the store.
func Open(ctx context.Context, dom *smr.Domain, dir string) (*Store, error) {
	st := &Store{dom: dom, dir: dir, set: smrfile.NewSet[span](dom)}
	spans, err := st.recover()
	for _, sp := range spans {
		if err == nil {
			st.last = sp.last
			err = st.install(ctx, sp, nil)
		}
	}
	if err != nil {
		return nil, errors.Join(err, st.Close(ctx))
	}
	return st, nil
}

// recover lists the segments, and removes what a crash has left.
func (st *Store) recover() (spans []span, err error) {
	entries, err := os.ReadDir(st.dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		var sp span
		if _, err := fmt.Sscanf(e.Name(), "%d-%d.seg", &sp.first, &sp.last); err == nil && e.Name() == sp.name() {
			spans = append(spans, sp)
		} else if strings.HasSuffix(e.Name(), ".tmp") {
			if err := os.Remove(filepath.Join(st.dir, e.Name())); err != nil {
				return nil, err
			}
		}
	}
	// Of two that begin alike the longer comes first: it has replaced what it overlaps.
	slices.SortFunc(spans, func(a, b span) int {
		return cmp.Or(cmp.Compare(a.first, b.first), cmp.Compare(b.last, a.last))
	})
	kept := spans[:0]
	for _, sp := range spans {
		if len(kept) > 0 && sp.last <= kept[len(kept)-1].last {
			if err := os.Remove(filepath.Join(st.dir, sp.name())); err != nil {
				return nil, err
			}
			continue
		}
		kept = append(kept, sp)
	}
	return kept, nil
}

// install publishes a segment in place of others.
func (st *Store) install(ctx context.Context, sp span, drop []span) error {
	f, err := smrfile.Open(st.dom, filepath.Join(st.dir, sp.name()), smrfile.Options{})
	if err != nil {
		return err
	}
	err = st.check(f)
	if err == nil {
		add := []smrfile.Entry[span]{{Key: sp, File: f}}
		err = st.set.Replace(ctx, add, drop, smrfile.RemoveDropped)
	}
	if err != nil {
		return errors.Join(err, f.Close(ctx))
	}
	return nil
}

func (st *Store) check(f *smrfile.File) error {
	s, ok := st.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer s.Leave()
	_, err := newReader(s, f)
	return err
}

// Write stores records, all or none. A nil value deletes the key.
func (st *Store) Write(ctx context.Context, records map[string][]byte) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	sp := span{st.last + 1, st.last + 1}
	err := st.create(sp, func(add func(Record)) error {
		for _, key := range slices.Sorted(maps.Keys(records)) {
			add(Record{key, records[key]})
		}
		return ctx.Err()
	})
	if err != nil {
		return err
	}
	st.last++
	return st.publish(ctx, sp, nil)
}

// publish is install of a segment that was just made. If it fails there is none.
func (st *Store) publish(ctx context.Context, sp span, drop []span) error {
	err := st.install(ctx, sp, drop)
	if err != nil {
		return errors.Join(err, os.Remove(filepath.Join(st.dir, sp.name())))
	}
	return nil
}

// create makes the file of a segment.
func (st *Store) create(sp span, write func(add func(Record)) error) error {
	path := filepath.Join(st.dir, sp.name())
	sw, err := createSegment(path + ".tmp")
	if err != nil {
		return err
	}
	if err := write(sw.add); err != nil {
		return errors.Join(err, sw.file.Close(), os.Remove(path+".tmp"))
	}
	return sw.finish(path)
}

// Get appends the value of a key to dst, and reports whether there is one.
func (st *Store) Get(key string, dst []byte) (value []byte, ok bool, err error) {
	s, ok := st.dom.TryEnter()
	if !ok {
		return dst, false, smr.ErrClosed
	}
	defer s.Leave()
	v := st.set.Load(s)
	for i := v.Len() - 1; i >= 0; i-- { // the newest first
		_, f := v.At(i)
		r, err := newReader(s, f)
		if err != nil {
			return dst, false, err
		}
		if at := r.seek(key); at < r.n {
			if k, value := r.record(at); string(k) == key {
				return append(dst, value...), value != nil, nil
			}
		}
	}
	return dst, false, nil
}

// Compact replaces the segments that there are now by one.
func (st *Store) Compact(ctx context.Context) error {
	st.compaction.Lock()
	defer st.compaction.Unlock()
	it, err := st.NewIterator("")
	if err != nil {
		return err
	}
	if len(it.spans) < 2 {
		it.Close()
		return nil
	}
	sp := span{it.spans[0].first, it.spans[len(it.spans)-1].last}
	err = st.create(sp, func(add func(Record)) error {
		for it.next() {
			if it.Value() != nil { // nothing older is left that it hides
				add(Record{it.Key(), it.Value()})
			}
			if ctx.Err() != nil {
				return ctx.Err()
			}
		}
		return it.Err()
	})
	it.Close() // before Replace, which may wait for what is held
	if err != nil {
		return err
	}
	return st.publish(ctx, sp, it.spans)
}

// All iterates over the records as they are now, from a key on. Key and value are the caller's until
// the loop's body ends. The error, if any, comes last.
func (st *Store) All(from string) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		it, err := st.NewIterator(from)
		if err != nil {
			yield(Record{}, err)
			return
		}
		defer it.Close()
		for it.Next() {
			if !yield(Record{it.Key(), it.Value()}, nil) {
				return
			}
		}
		if it.Err() != nil {
			yield(Record{}, it.Err())
		}
	}
}

// Close ends the store. It waits for readers and iterators, until ctx ends.
func (st *Store) Close(ctx context.Context) error { return st.set.Close(ctx) }

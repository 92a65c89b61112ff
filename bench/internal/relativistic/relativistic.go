// Package relativistic measures the hash table that package smrq has as an example. The file table.go
// is a copy of it; a test says whether it still is.
package relativistic

import (
	"context"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A Table is that table, with entries off the Go heap that are used again after a grace period.
type Table struct {
	*table
	pool *slab.Pool[entry]
}

// New returns an empty table with a domain of its own.
func New() (*Table, error) {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		return nil, err
	}
	return &Table{newTable(dom), slab.New[entry](dom, slab.Options{OffHeapLinks: true})}, nil
}

// Load returns what is stored at key.
func (t *Table) Load(key uint64) (v [4]uint64, found bool) {
	s := t.dom.Pin()
	if e := t.get(s, key); e != nil {
		v, found = e.value, true
	}
	s.Leave()
	return v, found
}

// Store stores a value at key.
func (t *Table) Store(key uint64, v [4]uint64) error {
	e, err := t.pool.Get()
	if err != nil {
		return err
	}
	*e = entry{key: key, value: v} // what is used again has an old Link
	for {
		if old := t.replace(e); old != nil {
			t.pool.Retire(old)
			return nil
		}
		if t.insert(e) {
			t.fit()
			return nil
		}
	}
}

// Bytes returns what its entries take.
func (t *Table) Bytes() int64 { return t.pool.Stats().ReservedBytes }

// empty removes and retires all entries.
func (t *Table) empty() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partLocked()
	b := t.buckets.LoadSerialized()
	for i := range b.lists {
		for c := b.lists[i].Cursor(); c.Step(); {
			t.pool.Retire(c.Erase())
		}
	}
	t.n = 0
}

// Close frees the entries, and ends the domain. Do not use the table afterwards.
func (t *Table) Close(ctx context.Context) error {
	t.empty()
	if err := t.pool.Close(ctx); err != nil {
		return err
	}
	return t.dom.Close(ctx)
}

package main

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// An entry is linked into a bucket. The table does not copy it, so it may be part of an object with
// parts that other structures link.
type entry[K comparable, V any] struct {
	link  smrq.Link[entry[K, V]]
	key   K
	value V
}

func entryLink[K comparable, V any](e *entry[K, V]) *smrq.Link[entry[K, V]] { return &e.link }

// A Table is a hash table for data that is mostly read. Readers are in a section of its domain: they
// wait for nothing, and miss no key that stays, also while the table grows and shrinks. Writers take
// its lock. One that has the table grow waits for a few grace periods: so call no writer in a section,
// for which it would wait, nor in a callback.
//
// Idea: the relativistic hash tables of Triplett, McKenney and Walpole (USENIX ATC 2011).
type Table[K comparable, V any] struct {
	dom    *smr.Domain
	seed   maphash.Seed
	retire func(*V) // called with a value that no reader has any more; may be nil

	// buckets is written by writers, and read by readers.
	buckets smr.Pointer[buckets[K, V]]

	mu     sync.Mutex // writers
	n      int        // entries
	splits []smrq.Split[entry[K, V]]
}

// buckets are a power of two of lists. The upper bits of a key's hash say which one it is in, so what
// is in bucket i of n is in 2i or 2i+1 of 2n.
type buckets[K comparable, V any] struct {
	bits  int
	seed  maphash.Seed
	lists []smrq.List[entry[K, V]]
}

// NewTable returns an empty table. If retire is not nil, it is called with each value that was deleted
// or replaced, when no reader has it.
func NewTable[K comparable, V any](dom *smr.Domain, retire func(*V)) *Table[K, V] {
	t := &Table[K, V]{dom: dom, seed: maphash.MakeSeed(), retire: retire}
	t.buckets.Init(t.newBuckets(0))
	t.buckets.In(dom)
	t.buckets.GuardedBy(&t.mu)
	return t
}

func (t *Table[K, V]) newBuckets(bits int) *buckets[K, V] {
	b := &buckets[K, V]{bits, t.seed, make([]smrq.List[entry[K, V]], 1<<bits)}
	for i := range b.lists {
		b.lists[i].InitWith(entryLink[K, V])
		b.lists[i].GuardedBy(&t.mu)
	}
	return b
}

func (b *buckets[K, V]) index(key K) int {
	return int(maphash.Comparable(b.seed, key) >> (64 - b.bits))
}

// Get returns the value of key, borrowed until s is left, or nil. While the table grows, a bucket may
// lead to entries of another one.
func (t *Table[K, V]) Get(s smr.Section, key K) *V {
	b := t.buckets.Load(s)
	for e := range b.lists[b.index(key)].All(s) {
		if e.key == key {
			return &e.value
		}
	}
	return nil
}

// Len returns the number of entries.
func (t *Table[K, V]) Len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

// Set sets the value of key. A reader finds the old one or the new one. If the table must grow, and ctx
// ends first, nothing is set.
func (t *Table[K, V]) Set(ctx context.Context, key K, value V) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.partLocked(ctx); err != nil {
		return err
	}
	e := &entry[K, V]{key: key, value: value}
	if list, old := t.findLocked(key); old != nil {
		list.Replace(old, e)
		t.retireLocked(old)
		return nil
	}
	if err := t.growLocked(ctx, t.n+1); err != nil {
		return err
	}
	b := t.buckets.LoadSerialized()
	b.lists[b.index(key)].InsertHead(e)
	t.n++
	return nil
}

// Delete deletes the entry of key, and reports whether there was one.
func (t *Table[K, V]) Delete(ctx context.Context, key K) (bool, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.partLocked(ctx); err != nil {
		return false, err
	}
	list, old := t.findLocked(key)
	if old == nil {
		return false, nil
	}
	list.Remove(old)
	t.n--
	t.retireLocked(old)
	for max(4*t.n, 1) < len(t.buckets.LoadSerialized().lists) {
		t.shrinkLocked()
	}
	return true, nil
}

func (t *Table[K, V]) retireLocked(e *entry[K, V]) {
	if t.retire != nil {
		smr.Call(t.dom, e, 1, func(e *entry[K, V]) { t.retire(&e.value) })
	}
}

// findLocked returns the key's bucket, and its entry there or nil. No split is under way.
func (t *Table[K, V]) findLocked(key K) (*smrq.List[entry[K, V]], *entry[K, V]) {
	b := t.buckets.LoadSerialized()
	list := &b.lists[b.index(key)]
	for e := range list.AllSerialized() {
		if e.key == key {
			return list, e
		}
	}
	return list, nil
}

// growLocked makes as many buckets as entries, at least. What was done stays if ctx ends: the next
// writer goes on.
func (t *Table[K, V]) growLocked(ctx context.Context, entries int) error {
	for entries > len(t.buckets.LoadSerialized().lists) {
		t.splitLocked()
		if err := t.partLocked(ctx); err != nil {
			return err
		}
	}
	return nil
}

// splitLocked publishes twice as many buckets. It leaves the steps by which their chains part.
func (t *Table[K, V]) splitLocked() {
	old := t.buckets.LoadSerialized()
	b := t.newBuckets(old.bits + 1)
	splits := make([]smrq.Split[entry[K, V]], len(old.lists))
	for i := range splits {
		left, right := &b.lists[2*i], &b.lists[2*i+1]
		left.Append(&old.lists[i])
		splits[i] = left.Split(right, func(e *entry[K, V]) bool { return b.index(e.key) == 2*i+1 })
	}
	t.publishLocked(b, old)
	t.splits = splits
}

// partLocked makes the steps that are left, a grace period after each other.
func (t *Table[K, V]) partLocked(ctx context.Context) error {
	for t.stepLocked() {
		if err := t.dom.Synchronize(ctx); err != nil {
			return err
		}
	}
	return nil
}

// stepLocked makes a step of each split that is ready for it, and reports whether there is more to do.
func (t *Table[K, V]) stepLocked() (more bool) {
	for i := range t.splits {
		if t.splits[i].Step(t.dom) {
			more = true
		}
	}
	if !more {
		t.splits = nil
	}
	return more
}

// shrinkLocked halves the buckets, of which there are two at least.
func (t *Table[K, V]) shrinkLocked() {
	old := t.buckets.LoadSerialized()
	b := t.newBuckets(old.bits - 1)
	for i := range old.lists {
		b.lists[i/2].Append(&old.lists[i])
	}
	t.publishLocked(b, old)
}

// publishLocked puts b in place of old, whose entries are in b now. The collector frees old.
func (t *Table[K, V]) publishLocked(b, old *buckets[K, V]) {
	t.buckets.Store(b)
	for i := range old.lists {
		old.lists[i].Unpublish() // no new reader comes by it
	}
}

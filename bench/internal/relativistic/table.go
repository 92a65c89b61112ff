package relativistic

import (
	"context"
	"hash/maphash"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

type value [4]uint64

type entry struct {
	link  smrq.Link[entry]
	key   uint64
	value value
}

func entryLink(e *entry) *smrq.Link[entry] { return &e.link }

// A table is a hash table for data that is mostly read. Readers look keys up in a section of its
// domain. Writers take its lock, and wait while it grows: for a grace period each time that the keys
// of two buckets alternate in a chain, and for two more; a few in all. So call no writer (insert,
// replace, remove, fit) in a section of the domain: the one that has the lock may wait for that
// section. Call none in a callback of the domain either, which can't wait, and would spin.
//
// Idea: the relativistic hash tables of Triplett, McKenney and Walpole (USENIX ATC 2011), and XNU's
// smr_hash.
type table struct {
	dom *smr.Domain

	// buckets is written by writers, and read by readers.
	buckets smr.Pointer[buckets]

	mu     sync.Mutex          // writers
	n      int                 // entries
	splits []smrq.Split[entry] // what is left to do of growing
}

// buckets are a power of two of lists. The upper bits of a key's hash say which one it is in; so what
// is in bucket i of n is in 2i or 2i+1 of 2n.
type buckets struct {
	bits  int
	lists []smrq.List[entry]
}

func newTable(dom *smr.Domain) *table {
	t := &table{dom: dom}
	t.buckets.Init(t.newBuckets(0))
	return t
}

func (t *table) newBuckets(bits int) *buckets {
	b := &buckets{bits, make([]smrq.List[entry], 1<<bits)}
	for i := range b.lists {
		b.lists[i].InitWith(entryLink)
		b.lists[i].GuardedBy(&t.mu)
	}
	return b
}

// index returns the number of the key's bucket.
func (b *buckets) index(key uint64) int { return int(maphash.Comparable(seed, key) >> (64 - b.bits)) }

var seed = maphash.MakeSeed()

// get returns the entry of key to a reader in section s, or nil. While the table grows, the bucket
// may lead to entries of another one.
func (t *table) get(s smr.Section, key uint64) *entry {
	b := t.buckets.Load(s)
	for e := range b.lists[b.index(key)].All(s) {
		if e.key == key {
			return e
		}
	}
	return nil
}

// findLocked returns the key's bucket, and its entry there or nil.
func (t *table) findLocked(key uint64) (*smrq.List[entry], *entry) {
	t.partLocked() // a panic may have ended that before
	b := t.buckets.LoadSerialized()
	list := &b.lists[b.index(key)]
	for e := range list.AllSerialized() {
		if e.key == key {
			return list, e
		}
	}
	return list, nil
}

// insert inserts e. It returns false, and does nothing, if its key is there.
func (t *table) insert(e *entry) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, found := t.findLocked(e.key)
	if found != nil {
		return false
	}
	list.InsertHead(e)
	t.n++
	return true
}

// replace inserts e in place of the entry of its key, which it returns: for smr.Call. It returns nil,
// and does nothing, if there is none.
func (t *table) replace(e *entry) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, found := t.findLocked(e.key)
	if found != nil {
		list.Replace(found, e)
	}
	return found
}

// remove removes and returns the entry of key: for smr.Call. It returns nil if there is none.
func (t *table) remove(key uint64) *entry {
	t.mu.Lock()
	defer t.mu.Unlock()
	list, found := t.findLocked(key)
	if found != nil {
		list.Remove(found)
		t.n--
	}
	return found
}

// fit grows or shrinks the table until it has between one entry and four buckets for each other.
func (t *table) fit() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.partLocked()
	for t.n > len(t.buckets.LoadSerialized().lists) {
		t.growLocked()
	}
	for max(4*t.n, 1) < len(t.buckets.LoadSerialized().lists) {
		t.shrinkLocked()
	}
}

// growLocked doubles the buckets.
func (t *table) growLocked() {
	t.splitLocked()
	t.partLocked()
}

// splitLocked publishes twice as many buckets. It leaves the steps by which their chains part.
func (t *table) splitLocked() {
	old := t.buckets.LoadSerialized()
	b := t.newBuckets(old.bits + 1)
	splits := make([]smrq.Split[entry], len(old.lists))
	for i := range splits {
		left, right := &b.lists[2*i], &b.lists[2*i+1]
		left.Append(&old.lists[i])
		splits[i] = left.Split(right, func(e *entry) bool { return b.index(e.key) == 2*i+1 })
	}
	t.publishLocked(b, old)
	t.splits = splits
}

// partLocked makes the steps that are left.
func (t *table) partLocked() {
	for t.stepLocked() {
		t.dom.Synchronize(context.Background()) // if it can't, no step comes too early all the same
	}
}

// stepLocked makes a step of each split that is ready for it, and reports whether there is more to do.
func (t *table) stepLocked() (more bool) {
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

// shrinkLocked halves the buckets, of which there must be two.
func (t *table) shrinkLocked() {
	old := t.buckets.LoadSerialized()
	b := t.newBuckets(old.bits - 1)
	for i := range old.lists {
		b.lists[i/2].Append(&old.lists[i])
	}
	t.publishLocked(b, old)
}

// publishLocked puts b in place of old, whose entries are in b now. Readers may still be in old: the
// collector frees it.
func (t *table) publishLocked(b, old *buckets) {
	t.buckets.Store(b)
	for i := range old.lists {
		old.lists[i].Unpublish() // no new reader comes by it
	}
}

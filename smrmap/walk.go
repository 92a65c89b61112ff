package smrmap

import (
	"iter"
	"slices"
	"unsafe"
)

// snapshot is a step of a walk that has seen all hashes below pos. It appends to buf the entries of
// pos's bucket whose hash is pos or above, and returns where the next bucket begins, 0 after the
// last. The caller is in a section if entries are off the Go heap.
//
// It starts over if an entry was unlinked from the bucket meanwhile: an entry that went and came
// back would be there twice.
func (c *core) snapshot(pos uint64, buf []ref) (_ []ref, next uint64) {
	const tries = 3 // then lock the bucket
	n := len(buf)
	for try := 0; ; try++ {
		t, root, ctl := c.table.Load().follow(pos)
		if try == tries {
			t, root = c.lock(pos)
		}
		buf = buf[:n]
		for b := root; b != nil; {
			link, tags := b.words()
			for used := occupied(tags); used != 0; used &= used - 1 {
				e := b.at(index(used)).Load()
				if e == nil {
					continue // deleted just now
				}
				if c.looks != nil {
					c.looks(e)
				}
				buf = append(buf, e)
			}
			b = t.chained(link, tags)
		}
		if pos != pos>>t.shift<<t.shift { // the table has changed since the walk was here
			before := func(e ref) bool { return c.hashOf(e) < pos }
			buf = append(buf[:n], slices.DeleteFunc(buf[n:], before)...)
		}
		if try == tries {
			c.release(root)
		} else if root.changed(ctl) {
			continue
		}
		return buf, (pos>>t.shift + 1) << t.shift
	}
}

// A walk over a Map collects a batch of entries before it yields: their cache misses overlap.
const (
	batchRefs    = 32      // entries
	batchBuckets = 128     // buckets, most of which may be empty
	batchBytes   = 2 << 10 // what is copied, but for the last bucket
)

// batch is snapshot of several buckets, until there are about most entries.
func (c *core) batch(pos uint64, buf []ref, most int) (_ []ref, next uint64) {
	for range batchBuckets {
		if buf, pos = c.snapshot(pos, buf); pos == 0 || len(buf) > most-slotsPerBucket {
			break
		}
	}
	return buf, pos
}

// All returns a walk over copies of the entries. It sees an entry that stays exactly once, and one
// that comes or goes at most once. The loop's body may change the map. Where the values are pointers to
// objects that are retired, enter a section before the walk, as for [Map.Load].
//
// Cost: a section for some eight buckets where entries are off the Go heap; an allocation only
// where the few entries of a bucket take more than 2 KiB.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		m.c.computing.forbids("a walk")
		if m.pool == nil {
			m.eachOnHeap(yield)
		} else {
			m.eachOffHeap(yield)
		}
	}
}

// eachOnHeap is All where the collector keeps what is yielded.
func (m *Map[K, V]) eachOnHeap(yield func(K, V) bool) {
	var room [batchRefs]ref
	refs := room[:0]
	for pos := uint64(0); ; {
		refs, pos = m.c.batch(pos, refs[:0], batchRefs)
		for _, r := range refs {
			if e := m.entry(r); !yield(e.key, e.value) {
				return
			}
		}
		if pos == 0 {
			return
		}
	}
}

// eachOffHeap is All where entries must be copied in a section: to the stack, if they fit.
func (m *Map[K, V]) eachOffHeap(yield func(K, V) bool) {
	var room [batchRefs]ref
	refs := room[:0]
	var space [batchBytes / 8]uint64 // entries hold no Go pointers
	most := int(batchBytes / max(unsafe.Sizeof(entry[K, V]{}), 1))
	copies := unsafe.Slice((*entry[K, V])(unsafe.Pointer(&space)), most)[:0]
	for pos := uint64(0); ; {
		s, ok := m.dom.TryEnter()
		if !ok {
			return
		}
		refs, pos = m.c.batch(pos, refs[:0], min(most, batchRefs))
		copies = slices.Grow(copies[:0], len(refs))[:len(refs)]
		for i := range copies {
			copies[i] = *m.entry(refs[i])
		}
		s.Leave()
		for i := range copies {
			if !yield(copies[i].key, copies[i].value) {
				return
			}
		}
		if pos == 0 {
			return
		}
	}
}

// Keys returns a walk over the keys: see [Map.All].
func (m *Map[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		for k := range m.All() {
			if !yield(k) {
				return
			}
		}
	}
}

// Clear deletes every entry that is in the map when it is called, unless its key is stored to
// meanwhile. It is a walk, not one step: other operations go on.
func (m *Map[K, V]) Clear() {
	m.c.clear(func(e ref) { m.retire(m.entry(e)) })
}

// clear unlinks all entries, bucket by bucket, and calls retire for each.
func (c *core) clear(retire func(ref)) {
	for pos := uint64(0); ; {
		if _, pos = c.unlink(pos, func(ref) bool { return true }, retire); pos == 0 {
			return
		}
	}
}

// unlink takes the entries that choose picks out of the bucket that hash pos belongs to, then calls
// retire for each. It returns their number, and where the next bucket begins. choose is called with
// the bucket locked, retire is not.
func (c *core) unlink(pos uint64, choose func(ref) bool, retire func(ref)) (n int, next uint64) {
	var room [4 * slotsPerBucket]ref
	refs := room[:0]
	t, root := c.lock(pos)
	for b := root; b != nil; b = t.after(b) {
		for i := range b.slots {
			if e := b.slots[i].Load(); e != nil && choose(e) {
				refs = append(refs, e)
				b.take(i)
			}
		}
	}
	next = (pos>>t.shift + 1) << t.shift
	if len(refs) == 0 {
		c.release(root)
		return 0, next
	}
	check := c.tidied(t, root, true)
	c.lots.release(root, bumped(root.ctl.Load()))
	for _, e := range refs {
		retire(e)
	}
	c.deleted(t, len(refs), check)
	return len(refs), next
}

func (c *core) stats() Stats {
	t := c.table.Load()
	st := Stats{Len: int(max(c.count.Load(), 0)), Buckets: t.n, Resizes: c.resizes.Load()}
	for ; t != nil; t = t.next.Load() {
		st.ReservedBytes += t.size.Load()
	}
	return st
}

package smrmap

import "iter"

// A walk goes through the hashes in order. Its position is the hash up to which, not
// included, it has seen everything; buckets are stretches of hashes in a table of any
// size, so it goes on from there in whatever table there is by then. Who is in the map
// from start to end is seen exactly once.

// snapshot appends to buf the entries of the bucket that hash pos belongs to, and whose
// hash is pos or above, and returns where the next bucket begins; 0 after the last. The
// caller is in a section.
//
// No entry was unlinked from the bucket between the first look and the last one, so that
// none which went and came is there twice.
func (c *core) snapshot(pos uint64, buf []ref) (_ []ref, next uint64) {
	for try := 0; ; try++ {
		t, root, ctl := c.table.Load().follow(pos)
		wake := false
		if try == 3 { // somebody deletes all the time
			t, root, ctl = c.lock(pos)
		}
		buf = buf[:0]
		for b := root; b != nil; b = t.after(b) {
			for i := range b.slots {
				if e := b.slots[i].Load(); e != nil && c.hashOf(e) >= pos {
					buf = append(buf, e)
				}
			}
		}
		same := !root.changed(ctl)
		if try == 3 {
			wake = c.lots.unlock(root, ctl)
			same = true
		}
		if wake {
			c.lots.wake(root)
		}
		if same {
			return buf, (pos>>t.shift + 1) << t.shift
		}
	}
}

// All returns a walk over the map. An entry that is there from start to end is seen once,
// one that comes or goes meanwhile perhaps; none is seen twice. What is yielded are
// copies. The map may be changed by the loop's body.
//
// Cost: a section for each bucket.
func (m *Map[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		var refs []ref
		var copies []entry[K, V]
		for pos := uint64(0); ; {
			s := m.dom.Enter()
			refs, pos = m.c.snapshot(pos, refs)
			copies = copies[:0]
			for _, e := range refs {
				copies = append(copies, *m.entry(e))
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

// Clear deletes every entry that is in the map when it is called, unless somebody else
// stores to its key meanwhile. It is a walk, not one step: other operations go on.
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

// unlink takes those entries out of the bucket that hash pos belongs to which choose says,
// and then calls retire for each. It returns how many, and where the next bucket begins.
// choose is called with the bucket locked, retire is not.
func (c *core) unlink(pos uint64, choose func(ref) bool, retire func(ref)) (n int, next uint64) {
	var room [4 * slotsPerBucket]ref
	refs := room[:0]
	t, root, ctl := c.lock(pos)
	look := false
	for b := root; b != nil; b = t.after(b) {
		for i := range b.slots {
			if e := b.slots[i].Load(); e != nil && choose(e) {
				refs = append(refs, e)
				b.take(i)
			}
		}
	}
	if len(refs) > 0 {
		look = c.tidied(t, root, true)
		ctl = bumped(root.ctl.Load())
	}
	c.lots.release(root, ctl)
	for _, e := range refs {
		retire(e)
	}
	if len(refs) > 0 {
		c.deleted(t, len(refs), look)
	}
	return len(refs), (pos>>t.shift + 1) << t.shift
}

func (c *core) stats() Stats {
	t := c.table.Load()
	st := Stats{Len: int(max(c.count.Load(), 0)), Buckets: t.n, Resizes: c.resizes.Load()}
	for ; t != nil; t = t.next.Load() {
		st.ReservedBytes += t.size.Load()
	}
	return st
}

// close waits for the resizing to end, and gives the table's bytes back to the budget. The
// map is empty.
func (c *core) close() {
	c.migrated.Wait()
	c.table.Load().drop()
}

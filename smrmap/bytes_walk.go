package smrmap

import (
	"iter"
)

// Scan calls fn for entries from cursor on, whole buckets at a time, until there were
// count, and returns where to go on. It starts at 0 and ends when it returns 0. An entry
// that is there from start to end is seen once, also while the map grows and shrinks; one
// that comes or goes meanwhile perhaps. Any cursor is taken. Key and item are borrowed until
// fn returns, which may use the map, but is in a section of the domain and so must not wait
// for it (Barrier, Synchronize).
//
// (Redis, which keeps nothing of a walk either, may show an entry more than once. Here
// the cursor is a hash, and buckets are stretches of hashes.)
func (m *Bytes) Scan(cursor uint64, count int, fn func(key []byte, it Item)) (next uint64) {
	var room [batchRefs]ref
	refs := room[:0]
	for {
		refs, cursor, _ = m.each(refs[:0], cursor, func(key []byte, it Item) bool {
			fn(key, it)
			count--
			return true
		})
		if count <= 0 || cursor == 0 {
			return cursor
		}
	}
}

// each calls yield for the entries of the bucket that hash pos belongs to, in a section,
// until it returns false, which each reports. It returns where the next bucket begins, and
// buf, which it uses.
func (m *Bytes) each(buf []ref, pos uint64, yield func(key []byte, it Item) bool) (_ []ref, next uint64, more bool) {
	s := m.dom.Enter()
	defer s.Leave()
	buf, next = m.c.snapshot(pos, buf)
	for _, r := range buf {
		e := asHeader(r)
		if it := e.item(); !m.past(it.Expires) && !yield(e.key(), it) {
			return buf, next, false
		}
	}
	return buf, next, true
}

// All returns a walk over the map: see [Bytes.Scan]. Key and value are borrowed until the
// loop's body ends, which is in a section, too.
func (m *Bytes) All() iter.Seq2[[]byte, Item] {
	return func(yield func([]byte, Item) bool) {
		var room [batchRefs]ref
		refs, more := room[:0], true
		for pos := uint64(0); ; {
			if refs, pos, more = m.each(refs[:0], pos, yield); !more || pos == 0 {
				return
			}
		}
	}
}

// Keys returns a walk over the keys: see [Bytes.All].
func (m *Bytes) Keys() iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for k := range m.All() {
			if !yield(k) {
				return
			}
		}
	}
}

// Clear deletes every entry that is in the map when it is called, unless somebody else
// stores to its key meanwhile, or is about to store a large value there by Compute. It is a walk, not one step: other operations go on.
func (m *Bytes) Clear() {
	for pos := uint64(0); ; {
		if _, _, pos = m.purge(pos, func(*header) bool { return true }); pos == 0 {
			return
		}
	}
}

// walk calls fn with the entries of each bucket, in a section, and with where the next
// bucket begins, until it returns false or the map ends.
func (m *Bytes) walk(pos uint64, fn func(refs []ref, next uint64) bool) {
	var refs []ref
	step := func() bool {
		s := m.dom.Enter()
		defer s.Leave()
		refs, pos = m.c.snapshot(pos, refs[:0])
		return fn(refs, pos)
	}
	for step() && pos != 0 {
	}
}

// Sweep deletes the entries whose time has come, among about count entries from cursor
// on. It returns where to go on, 0 at the end; how many entries it deleted; and how many
// it saw that will expire later, so that who sweeps now and then knows when to stop. Cost:
// a section for each bucket, and a lock for those with something to delete.
func (m *Bytes) Sweep(cursor uint64, count int) (next uint64, removed, expiring int) {
	now := m.now()
	gone := func(e *header) bool { return e.expiredAt(now) }
	m.walk(cursor, func(refs []ref, after uint64) bool {
		some := false
		for _, r := range refs {
			e := asHeader(r)
			switch {
			case gone(e):
				some = true
			case e.expires.Load() != 0:
				expiring++
			}
		}
		// The table may be another by now, and its buckets shorter.
		for some && (after == 0 || cursor < after) {
			n, _, next := m.purge(cursor, gone)
			removed += n
			if cursor = next; next == 0 {
				break
			}
		}
		cursor = after
		count -= max(1, len(refs))
		return count > 0
	})
	m.expired.Add(uint64(removed))
	return cursor, removed, expiring
}

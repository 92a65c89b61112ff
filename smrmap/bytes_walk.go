package smrmap

import (
	"iter"
)

// Scan calls fn for entries from cursor on, whole buckets at a time, until it has seen count,
// and returns the cursor to go on from. A scan begins at 0, and is over when Scan returns 0;
// any cursor is valid. A scan sees an entry that stays exactly once, also while the map grows
// and shrinks, and one that comes or goes at most once.
//
// Key and item are borrowed until fn returns. fn may use the map, but it runs in a section of
// the domain and so must not wait for it (Barrier, Synchronize).
//
// (Redis keeps no state of a walk either, and may show an entry twice. Here the cursor is a
// hash, and a bucket is a stretch of hashes.)
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

// each calls yield in a section for the entries of the bucket that hash pos belongs to, until
// yield returns false; then more is false. It returns where the next bucket begins, and buf,
// which it has used.
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

// All returns a walk over the map that sees what [Bytes.Scan] does. Key and value are borrowed
// until the loop's body ends. The body runs in a section, as Scan's fn does.
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

// Clear deletes every entry that is in the map when it is called, unless its key is stored to
// meanwhile, or a Compute is about to store a large value there. It is a walk, not one step:
// other operations go on.
func (m *Bytes) Clear() {
	for pos := uint64(0); ; {
		if _, _, pos = m.purge(pos, func(*header) bool { return true }); pos == 0 {
			return
		}
	}
}

// walk calls fn in a section for each bucket from hash pos on, with its entries and where the
// next bucket begins, until fn returns false or the map ends.
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

// Swept is what [Bytes.Sweep] did.
type Swept struct {
	Next     uint64 // the cursor to go on from, 0 at the end
	Removed  int    // entries deleted
	Expiring int    // entries seen that expire later: without any there is no need to sweep again
}

// Sweep deletes the expired ones among about count entries from cursor on.
//
// Cost: a section for each bucket, and a lock for each with an expired entry.
func (m *Bytes) Sweep(cursor uint64, count int) (did Swept) {
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
				did.Expiring++
			}
		}
		// The table may be a larger one by now, and its buckets shorter.
		for some && (after == 0 || cursor < after) {
			n, _, next := m.purge(cursor, gone)
			did.Removed += n
			if cursor = next; next == 0 {
				break
			}
		}
		cursor = after
		count -= max(1, len(refs))
		return count > 0
	})
	m.expired.Add(uint64(did.Removed))
	did.Next = cursor
	return did
}

package smrmap

import "iter"

// Scan calls fn for entries from cursor on, whole buckets at a time, until it has seen count, and
// returns the cursor to go on from. A scan begins at 0, and is over when Scan returns 0; any cursor
// is valid. A scan sees an entry that stays exactly once, even while the map grows and shrinks, and
// one that comes or goes at most once. (Redis, which keeps no state either, may show one twice.)
//
// Key and item are borrowed until fn returns. fn may use the map, but it runs in a section of the
// domain and so must not wait for it (Barrier, Synchronize).
func (m *Bytes) Scan(cursor uint64, count int, fn func(key []byte, it Item)) (next uint64) {
	var room [batchRefs]ref
	refs := room[:0]
	for {
		refs, cursor, _ = m.each(refs[:0], cursor, func(e *header) bool {
			if it := e.item(); !m.past(it.Expires) {
				show(e, it, fn)
				count--
			}
			return true
		})
		if count <= 0 || cursor == 0 {
			return cursor
		}
	}
}

// each calls yield in a section for the entries of the bucket that hash pos belongs to, expired
// ones too, until yield returns false; then more is false. It returns those entries, appended to
// buf, and where the next bucket begins: 0 if the domain is closed.
func (m *Bytes) each(buf []ref, pos uint64, yield func(*header) bool) (_ []ref, next uint64, more bool) {
	m.c.computing.forbids("a walk")
	s, ok := m.dom.TryEnter()
	if !ok {
		return buf, 0, false
	}
	defer s.Leave()
	buf, next = m.c.snapshot(pos, buf)
	for _, e := range buf {
		if !yield(asHeader(e)) {
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
			refs, pos, more = m.each(refs[:0], pos, func(e *header) bool {
				it := e.item()
				return m.past(it.Expires) || yieldTo(e, it, yield)
			})
			if !more || pos == 0 {
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

// Clear is [Map.Clear], except that it also leaves an entry whose key a Compute stores a large value
// for meanwhile.
func (m *Bytes) Clear() {
	for pos := uint64(0); ; {
		if _, _, pos = m.purge(pos, cleared, func(_ *header, claimed bool) bool { return !claimed }); pos == 0 {
			return
		}
	}
}

// Swept is what [Bytes.Sweep] did.
type Swept struct {
	Next     uint64 // the cursor to go on from, 0 at the end
	Removed  int    // entries deleted
	Expiring int    // entries seen that are for a later sweep: without any there is no need for one
}

// Sweep deletes the expired ones among about count entries from cursor on.
//
// Cost: a section for each bucket, and a lock for each with an expired entry.
func (m *Bytes) Sweep(cursor uint64, count int) (did Swept) {
	now := m.now()
	var room [batchRefs]ref
	refs := room[:0]
	for {
		some, after := false, uint64(0)
		refs, after, _ = m.each(refs[:0], cursor, func(e *header) bool {
			switch {
			case e.expiredAt(now):
				some = true
			case e.expires.Load() != 0:
				did.Expiring++
			}
			return true
		})
		// The table may be a larger one by now, with shorter buckets.
		for some && (after == 0 || cursor < after) {
			n, _, next := m.purge(cursor, expired, func(e *header, claimed bool) bool {
				if claimed && e.expiredAt(now) { // it may stay, if there is no memory for its successor
					did.Expiring++
				}
				return !claimed && e.expiredAt(now)
			})
			did.Removed += n
			if cursor = next; next == 0 {
				break
			}
		}
		cursor = after
		count -= max(1, len(refs))
		if count <= 0 || cursor == 0 {
			break
		}
	}
	m.expired.Add(uint64(did.Removed))
	did.Next = cursor
	return did
}

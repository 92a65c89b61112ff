package smrmap

import "github.com/gosmr/gosmr/smr"

// Store sets the value of a key to a copy of the one given, which never expires. It returns an
// error that wraps [slab.ErrNoMemory] if the budget is used up, or [ErrTooLarge] for a key or value
// longer than [MaxLen]; then the map is as it was. Once map or domain is closed, the error wraps
// [ErrClosed].
//
// Cost: a locked instruction and a copy. The copy is made before the bucket is locked, so a large
// value holds up no other writer; above 16 KiB it is made in a section.
func (m *Bytes) Store(key, value []byte) error { return m.StoreItem(key, Item{Value: value}) }

// StoreItem is [Bytes.Store] with an expiry.
func (m *Bytes) StoreItem(key []byte, it Item) error {
	if err := checkLen(key, it.Value); err != nil {
		return err
	}
	if m.dom.Closed() {
		return domainClosed(m.dom)
	}
	if int(headerSize)+len(key)+len(it.Value) > maxLocked {
		return m.storeLarge(key, it)
	}
	return m.store(key, it)
}

// storeLarge is store in a section: by that a store that finds nothing to evict waits for the entry. See
// pressure.evict.
func (m *Bytes) storeLarge(key []byte, it Item) error {
	s, ok := m.dom.TryEnter()
	if !ok {
		return domainClosed(m.dom)
	}
	defer s.Leave()
	return m.store(key, it)
}

// store is StoreItem of lengths that have been checked.
func (m *Bytes) store(key []byte, it Item) error {
	h := m.hashOf(key)
	e, err := m.newEntry(h, key, it, nil)
	if err != nil {
		return err
	}
	t, root := m.lock(h)
	old, p := m.find(t, root, h, key)
	if err := m.set(t, root, p, h, e); err != nil {
		return err
	}
	m.unlinked(old)
	return nil
}

// set commits e in place of the entry at p. If it returns an error it has freed e.
func (m *Bytes) set(t *table, root *bucket, p place, h uint64, e *header) error {
	err := m.publish(t, root, p, h, e)
	if err != nil {
		m.blocks.Free(e.block())
	}
	return err
}

// publish is set that leaves e to its caller if it fails.
func (m *Bytes) publish(t *table, root *bucket, p place, h uint64, e *header) error {
	expires := e.expires.Load() != 0 // before others may retire e
	if p.b != nil {
		e.used.Store(1) // what is written again and again is of use
	}
	if err := m.c.commit(UpdateOp, t, root, p, h, e.ref()); err != nil {
		return err
	}
	m.evictableCame(expires)
	if p.b == nil && m.young.on.Load() {
		m.young.add(uint32(h >> 32))
	}
	return nil
}

// unlinked retires an unlinked entry; it counts and reports whether that had expired. e may be nil.
func (m *Bytes) unlinked(e *header) (gone bool) {
	if e == nil {
		return false
	}
	if e.expires.Load() == 0 {
		m.retire(e)
		return false
	}
	defer m.retire(e) // also if Now panics
	if gone = m.gone(e); gone {
		m.met(e)
	}
	return gone
}

// LoadOrStore appends the value of a key to dst if there is one; otherwise it stores the item given
// and appends its value. Errors are those of [Bytes.Store].
func (m *Bytes) LoadOrStore(key []byte, it Item, dst []byte) (actual []byte, loaded bool, err error) {
	if dst, loaded = m.Load(key, dst); loaded {
		return dst, true, nil
	}
	if err := checkLen(key, it.Value); err != nil {
		return dst, false, err
	}
	h := m.hashOf(key)
	s, ok := m.dom.TryEnter() // to read the entry that insert may return
	if !ok {
		return dst, false, domainClosed(m.dom)
	}
	defer s.Leave()
	e, err := m.newEntry(h, key, it, nil)
	if err != nil {
		return dst, false, err
	}
	there, err := m.insert(h, key, e)
	switch {
	case err != nil:
		return dst, false, err
	case there != nil:
		return append(dst, there.value()...), true, nil
	}
	return append(dst, it.Value...), false, nil
}

// insert inserts e if its key has no value. Otherwise it frees e, and returns the key's entry to a
// caller in a section, or an error.
func (m *Bytes) insert(h uint64, key []byte, e *header) (there *header, err error) {
	t, root := m.lock(h)
	old, p := m.find(t, root, h, key)
	inserted := false
	defer func() {
		if !inserted { // or Now panicked
			m.c.release(root)
			m.blocks.Free(e.block())
		}
	}()
	if old != nil && !m.gone(old) {
		return old, nil
	}
	inserted = true
	if err := m.set(t, root, p, h, e); err != nil {
		return nil, err
	}
	if old != nil {
		m.met(old)
		m.retire(old)
	}
	return nil, nil
}

// LoadAndDelete deletes a key's entry, appends its value to dst, and reports whether there was one.
//
// Cost: that of [Bytes.Delete], and a copy, made with nothing locked.
func (m *Bytes) LoadAndDelete(key, dst []byte) ([]byte, bool) {
	old := m.take(key)
	if old == nil {
		return dst, false
	}
	defer m.retire(old)
	if m.gone(old) {
		m.met(old)
		return dst, false
	}
	return append(dst, old.value()...), true
}

// Delete deletes the entry of a key, and reports whether there was one.
//
// Cost: a locked instruction. If there is no entry, that of a [Bytes.LoadIn], and in one call of 40 the
// locked instruction as well.
func (m *Bytes) Delete(key []byte) bool {
	old := m.take(key)
	return old != nil && !m.unlinked(old)
}

// take unlinks the entry of a key and returns it, nil if there is none. It may have expired.
func (m *Bytes) take(key []byte) *header {
	if len(key) > MaxLen {
		return nil
	}
	h := m.hashOf(key)
	if m.c.lacks(h) {
		return nil
	}
	t, root := m.lock(h)
	old, p := m.find(t, root, h, key)
	m.c.commit(DeleteOp, t, root, p, h, nil)
	return old
}

// Compute calls fn once with the item of a key, and whether there is one, and does what fn returns;
// the key is not written to meanwhile. It reports whether the key has a value afterwards. old.Value
// is valid until fn returns; the value that fn returns is copied, and may be a part of it. If fn
// panics, the map is as it was.
//
// fn runs with the bucket locked, and the rules for it are those of [Map.Compute]; while a large
// value is copied, only writers of the key itself wait. Where there is often nothing to do, call
// [Bytes.LoadIn] first: that locks nothing. Errors are those of [Bytes.Store].
func (m *Bytes) Compute(key []byte, fn func(old Item, loaded bool) (Item, Op)) (ok bool, err error) {
	return m.compute(key, fn, nil)
}

// compute is Compute with a spare block, as in newEntry.
func (m *Bytes) compute(key []byte, fn func(old Item, loaded bool) (Item, Op), spare *[]byte) (ok bool, err error) {
	if len(key) > MaxLen {
		return m.computeTooLarge(key, fn)
	}
	if m.dom.Closed() {
		return false, domainClosed(m.dom)
	}
	h := m.hashOf(key)
	t, root := m.lock(h)
	old, p := m.find(t, root, h, key)
	unlocked := false
	defer func() {
		if !unlocked { // fn panicked, or there is nothing to do
			m.c.release(root)
		}
	}()
	if t.closed {
		return false, ErrClosed
	}
	var before Item
	loaded := old != nil && !m.gone(old)
	if loaded {
		before = old.item() // the chain is locked, so the expiry does not change
	}
	it, op := compute(&m.c.computing, fn, before, loaded)
	checkOp("Bytes", op, ExpireOp)
	switch {
	case op == UpdateOp && len(it.Value) > MaxLen:
		return loaded, checkLen(key, it.Value)
	case op == UpdateOp && int(headerSize)+len(key)+len(it.Value) > maxLocked:
		s, ok := m.dom.TryEnter() // the value may be a part of the old one
		if !ok {
			return loaded, domainClosed(m.dom)
		}
		unlocked = true
		if old, err = m.setLarge(s, root, h, key, it, spare); err != nil {
			return loaded, err
		}
	case op == UpdateOp:
		e, err := m.newEntry(h, key, it, spare)
		if err != nil {
			return loaded, err
		}
		unlocked = true
		if err := m.set(t, root, p, h, e); err != nil {
			return loaded, err
		}
	case op == ExpireOp && loaded:
		old.expires.Store(it.Expires)
		unlocked = true
		m.c.release(root)
		m.evictableCame(it.Expires != 0)
		return !m.past(it.Expires), nil
	case old != nil && (op == DeleteOp || !loaded):
		unlocked = true
		m.c.commit(DeleteOp, t, root, p, h, nil)
	default:
		return loaded, nil
	}
	if old != nil {
		if !loaded {
			m.met(old)
		}
		m.retire(old)
	}
	return op == UpdateOp && !m.past(it.Expires), nil
}

// setLarge is set of a large entry, in section s, which it leaves. It claims the key, unlocks the
// root while it makes the entry, and returns the entry that it has replaced.
func (m *Bytes) setLarge(s smr.Section, root *bucket, h uint64, key []byte, it Item, spare *[]byte) (old *header, err error) {
	defer s.Leave()
	cl := m.claims.add(uint32(h >> 32))
	defer m.claims.drop(cl)
	m.c.release(root)
	if m.claimed != nil {
		m.claimed()
	}
	e, err := m.newEntry(h, key, it, spare)
	if err != nil {
		return nil, err
	}
	t, root := m.c.lock(h)
	old, p := m.find(t, root, h, key)
	return old, m.set(t, root, p, h, e)
}

// computeTooLarge is Compute of a key that is too large to be in the map.
func (m *Bytes) computeTooLarge(key []byte, fn func(Item, bool) (Item, Op)) (ok bool, err error) {
	it, op := fn(Item{}, false)
	checkOp("Bytes", op, ExpireOp)
	if op == UpdateOp {
		err = checkLen(key, it.Value)
	}
	return false, err
}

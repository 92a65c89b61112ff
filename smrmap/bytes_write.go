package smrmap

import (
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// Store sets the value of a key, never to expire, to a copy of the one given. It returns
// an error that wraps [slab.ErrNoMemory] if the budget is at its end, and one that wraps
// [ErrTooLarge]; then the map is as it was.
//
// Cost: a locked instruction and a copy, made before the bucket is locked: a large value
// holds up nobody else.
func (m *Bytes) Store(key, value []byte) error { return m.StoreItem(key, Item{Value: value}) }

// StoreItem is [Bytes.Store] with an expiry.
func (m *Bytes) StoreItem(key []byte, it Item) error {
	if err := checkLen(key, it.Value); err != nil {
		return err
	}
	h := m.hashOf(key)
	e, err := m.newEntry(h, key, it, nil)
	if err != nil {
		return err
	}
	t, root, _ := m.lock(h)
	old, err := m.set(t, root, m.find(t, root, h, key), h, e)
	m.unlinked(old)
	return err
}

// set is [core.set]. It gives e back if it returns an error.
func (m *Bytes) set(t *table, root *bucket, p place, h uint64, e *header) (old *header, err error) {
	expires := e.expires.Load() != 0 // before e is somebody else's to retire
	replaced, err := m.c.set(t, root, p, h, unsafe.Pointer(e))
	if err != nil {
		m.blocks.Free(e.block())
		return nil, err
	}
	m.evictableCame(expires)
	return (*header)(replaced), nil
}

// unlinked retires an entry that was unlinked, and counts it if its time had come, which it
// reports. e may be nil.
func (m *Bytes) unlinked(e *header) (gone bool) {
	if e == nil {
		return false
	}
	expires := e.expires.Load()
	m.retire(e)
	if gone = m.past(expires); gone {
		m.expired.Add(1)
	}
	return gone
}

// LoadOrStore appends the value of a key to dst if there is one; otherwise it stores the
// item given, and appends its value. Errors are those of [Bytes.Store].
func (m *Bytes) LoadOrStore(key []byte, it Item, dst []byte) (actual []byte, loaded bool, err error) {
	if dst, loaded = m.Load(key, dst); loaded {
		return dst, true, nil
	}
	if err := checkLen(key, it.Value); err != nil {
		return dst, false, err
	}
	h := m.hashOf(key)
	s := m.dom.Enter() // for what may be there
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

// insert puts e, which nobody else has, into the map, if its key has no value. Otherwise it
// gives e back, and returns the key's entry to a caller in a section, or an error.
func (m *Bytes) insert(h uint64, key []byte, e *header) (there *header, err error) {
	t, root, ctl := m.lock(h)
	inserted := false
	defer func() {
		if !inserted { // or Now panicked
			m.c.lots.release(root, ctl)
			m.blocks.Free(e.block())
		}
	}()
	p := m.find(t, root, h, key)
	if p.b != nil {
		if there = asHeader(p.load()); !m.gone(there) {
			return there, nil
		}
	}
	inserted = true
	old, err := m.set(t, root, p, h, e)
	if old != nil {
		m.expired.Add(1)
		m.retire(old)
	}
	return nil, err
}

// LoadAndDelete deletes the entry of a key; it appends its value to dst, and reports
// whether there was one. Its cost is that of [Bytes.Delete], and a copy, for which nothing is
// locked.
func (m *Bytes) LoadAndDelete(key, dst []byte) ([]byte, bool) {
	old := m.take(key)
	if old == nil {
		return dst, false
	}
	defer m.retire(old)
	if m.gone(old) {
		m.expired.Add(1)
		return dst, false
	}
	return append(dst, old.value()...), true
}

// Delete deletes the entry of a key, and reports whether there was one.
//
// Cost: a locked instruction. Where there is no entry: that of a [Bytes.LoadIn], but for one
// time in 40.
func (m *Bytes) Delete(key []byte) bool {
	old := m.take(key)
	return old != nil && !m.unlinked(old)
}

// take unlinks the entry of a key and returns it, nil if there is none. Its time may have
// come.
func (m *Bytes) take(key []byte) *header {
	if len(key) > MaxLen {
		return nil
	}
	h := m.hashOf(key)
	if m.c.lacks(h) {
		return nil
	}
	t, root, ctl := m.lock(h)
	p := m.find(t, root, h, key)
	if p.b == nil {
		m.c.lots.release(root, ctl)
		return nil
	}
	old := asHeader(p.load())
	m.c.remove(t, root, p)
	return old
}

// Compute calls fn with the item of a key, and whether there is one, and does what it
// says; nobody else writes to the key meanwhile. It reports whether the key has a value
// afterwards, which after DeleteOp it has not. fn is called once. old.Value is valid until fn
// returns; what fn returns is copied, and may be a part of it. If fn panics, nothing has
// happened.
//
// fn runs with the bucket locked, which holds up writers of the key and of the few beside it,
// and the growing of the map, but no reader. It should be short, and must not write to the
// map or walk over it. While a large value that it returned is copied, only writers of the
// key itself wait. Where fn would often find that there is nothing to do, look with
// [Bytes.LoadIn] first: that locks nothing. fn must not wait for readers: others may wait for
// the bucket in a section.
//
// Errors are those of [Bytes.Store].
func (m *Bytes) Compute(key []byte, fn func(old Item, loaded bool) (Item, Op)) (ok bool, err error) {
	return m.compute(key, fn, nil)
}

// compute is Compute that may use a spare block for the entry; spare may be nil.
func (m *Bytes) compute(key []byte, fn func(old Item, loaded bool) (Item, Op), spare *[]byte) (ok bool, err error) {
	if len(key) > MaxLen {
		return m.computeTooLarge(key, fn)
	}
	h := m.hashOf(key)
	t, root, ctl := m.lock(h)
	locked := true
	defer func() {
		if locked { // fn panicked, or there is nothing to do
			m.c.lots.release(root, ctl)
		}
	}()
	p := m.find(t, root, h, key)
	var old *header
	var before Item
	if p.b != nil {
		old = asHeader(p.load())
		if ok = !m.gone(old); ok {
			before = old.item() // nobody else changes it now
		}
	}
	loaded := ok
	it, op := fn(before, loaded)
	checkOp("Bytes", op, ExpireOp)
	switch {
	case op == UpdateOp && len(it.Value) > MaxLen:
		return loaded, checkLen(key, it.Value)
	case op == UpdateOp && isLarge(key, it):
		s := m.dom.Enter() // since the value may be a part of the old one
		locked = false
		if old, err = m.setLarge(s, root, ctl, h, key, it, spare); err != nil {
			return loaded, err
		}
	case op == UpdateOp:
		e, err := m.newEntry(h, key, it, spare)
		if err != nil {
			return loaded, err
		}
		locked = false
		if _, err = m.set(t, root, p, h, e); err != nil {
			return loaded, err
		}
	case op == ExpireOp && loaded:
		old.expires.Store(it.Expires)
		locked = false
		m.c.lots.release(root, ctl)
		m.evictableCame(it.Expires != 0)
		return !m.past(it.Expires), nil
	case old != nil && (op == DeleteOp || !loaded):
		locked = false
		m.c.remove(t, root, p)
		ok = false
	default:
		return loaded, nil
	}
	if old != nil {
		m.retire(old)
		if !loaded {
			m.expired.Add(1)
		}
	}
	return op == UpdateOp && !m.past(it.Expires), nil
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

// isLarge reports whether an entry is too large to be made with a bucket locked.
func isLarge(key []byte, it Item) bool { return int(headerSize)+len(key)+len(it.Value) > maxLocked }

// setLarge is the end of Compute where an entry is large: it unlocks the root, whose ctl is
// given, puts the entry in when it is ready, and leaves s. The key is claimed meanwhile.
func (m *Bytes) setLarge(s smr.Section, root *bucket, ctl, h uint64, key []byte, it Item, spare *[]byte) (old *header, err error) {
	defer s.Leave()
	cl := m.claims.add(uint32(h >> 32))
	defer m.claims.drop(cl)
	m.c.lots.release(root, ctl)
	if m.claimed != nil {
		m.claimed()
	}
	e, err := m.newEntry(h, key, it, spare)
	if err != nil {
		return nil, err
	}
	t, root, _ := m.c.lock(h)
	return m.set(t, root, m.find(t, root, h, key), h, e)
}

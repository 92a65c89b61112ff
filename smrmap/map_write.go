package smrmap

import (
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// Store sets the value of k. If the budget is used up it returns an error that wraps
// [slab.ErrNoMemory], and the map is as it was; once map or domain is closed, one that wraps
// [ErrClosed]. (If the domain alone is, it may still replace a key's value, while it has an entry at
// hand.)
//
// Cost: a locked instruction, and where entries are on the Go heap an allocation.
func (m *Map[K, V]) Store(k K, value V) error {
	smr.CheckMayBlock("smrmap: Store")
	m.c.computing.forbids("a Store")
	if m.pool != nil && unsafe.Sizeof(entry[K, V]{}) <= maxLocked && m.replace(k, &value) {
		return nil
	}
	if m.dom.Closed() {
		return domainClosed(m.dom)
	}
	e, err := m.newEntry(k, value)
	if err != nil {
		return err
	}
	_, err = m.put(e, true)
	return err
}

// replace is Store for a key with an entry in the root, if the lock is free and a free entry at
// hand. It never waits, and so may be pinned from start to end.
func (m *Map[K, V]) replace(k K, value *V) bool {
	var h uint64
	if m.isInts {
		h = m.ints.hash(integer(k))
	} else {
		h = m.hash(k)
	}
	l := m.pool.Pin()
	root := m.c.table.Load().bucket(h)
	ctl := root.tryLock()
	if ctl == 0 {
		l.Unpin()
		return false
	}
	done := false
	if ctl&moved == 0 {
		// What find does, for the root alone, as in Load.
		for found := match(root.tags.Load(), tag(h)); found != 0; found &= found - 1 {
			slot := root.at(index(found))
			old := m.entry(slot.Load())
			if old == nil || old.key != k {
				continue
			}
			if e := l.Swap(old); e != nil {
				e.key = k
				e.value = *value
				slot.Store(ref(unsafe.Pointer(e)))
				ctl = bumped(ctl)
				done = true
			}
			break
		}
	}
	wake := m.c.lots.unlock(root, ctl)
	l.Unpin()
	if wake {
		m.c.lots.wake(root)
	}
	runtime.KeepAlive(m)
	return done
}

// newEntry returns an entry that is not in the map.
func (m *Map[K, V]) newEntry(k K, value V) (*entry[K, V], error) {
	m.c.computing.forbids("a write") // before there is an entry to give back
	if m.pool == nil {
		return &entry[K, V]{k, value}, nil
	}
	e, err := m.pool.Get()
	if err != nil {
		return nil, orClosed(err)
	}
	e.key, e.value = k, value
	return e, nil
}

// retire gives an unlinked entry back. It is reused a grace period later.
func (m *Map[K, V]) retire(e *entry[K, V]) {
	if m.pool != nil {
		m.pool.Retire(e)
	}
}

// discard gives back at once an entry that was never in the map.
func (m *Map[K, V]) discard(e *entry[K, V]) {
	if m.pool != nil {
		m.pool.Free(e)
	}
}

// put inserts e, or replaces its key's entry by e. With replace false it leaves an entry that is
// there, and returns it to a caller in a section. If put returns an entry, or an error, which wraps
// [slab.ErrNoMemory], it has discarded e.
func (m *Map[K, V]) put(e *entry[K, V], replace bool) (there *entry[K, V], err error) {
	h := m.hashOf(e)
	t, root := m.c.lock(h)
	old, p := m.find(t, root, h, e.key)
	if old != nil && !replace {
		m.c.release(root)
		m.discard(e)
		return old, nil
	}
	err = m.c.commit(UpdateOp, t, root, p, h, ref(unsafe.Pointer(e)))
	switch {
	case err != nil:
		m.discard(e)
	case old != nil:
		m.retire(old)
	}
	return nil, err
}

// LoadOrStore returns the value of k if there is one, and otherwise stores the one given.
// Errors are those of [Map.Store].
func (m *Map[K, V]) LoadOrStore(k K, value V) (actual V, loaded bool, err error) {
	if actual, loaded = m.Load(k); loaded {
		return actual, true, nil
	}
	s, ok := m.dom.TryEnter() // to read the entry that put may return
	if !ok {
		return actual, false, domainClosed(m.dom)
	}
	defer s.Leave()
	e, err := m.newEntry(k, value)
	if err != nil {
		return actual, false, err
	}
	there, err := m.put(e, false)
	switch {
	case err != nil:
		return actual, false, err
	case there != nil:
		return there.value, true, nil
	}
	return value, false, nil
}

// LoadAndDelete deletes the entry of k, and returns its value and whether there was one.
//
// Cost: a locked instruction. If there is no entry, that of a [Map.Load], and in one call of 40 the
// locked instruction as well.
func (m *Map[K, V]) LoadAndDelete(k K) (value V, loaded bool) {
	h := m.hash(k)
	if m.c.lacks(h) {
		return value, false
	}
	t, root := m.c.lock(h)
	old, p := m.find(t, root, h, k)
	m.c.commit(DeleteOp, t, root, p, h, nil)
	if old == nil {
		return value, false
	}
	value = old.value
	m.retire(old)
	return value, true
}

// Delete deletes the entry of k, and reports whether there was one.
//
// Cost: as for [Map.LoadAndDelete].
func (m *Map[K, V]) Delete(k K) bool {
	_, loaded := m.LoadAndDelete(k)
	return loaded
}

// Compute calls fn once with the value of k, and whether there is one, and does what fn returns; k
// is not written to meanwhile. It returns the value of k afterwards, and whether there is one: the
// zero value and false after DeleteOp. If fn panics, the map is as it was.
//
// fn runs with the bucket locked, which holds up writers of k and of the few keys beside it, and
// the growing of the map, but no reader. fn should be short. It must not write to the map, walk
// over it, or wait for readers, which may wait for the bucket. Where there is often nothing to do,
// call [Map.Load] first: that locks nothing.
//
// Errors are those of [Map.Store]; with ErrClosed fn was not called, or its value is not stored. Idea:
// xsync's Compute.
func (m *Map[K, V]) Compute(k K, fn func(old V, loaded bool) (V, Op)) (actual V, ok bool, err error) {
	if m.dom.Closed() {
		return actual, false, domainClosed(m.dom)
	}
	if m.mayBeNaN && k != k {
		return m.computeNaN(k, fn)
	}
	var spare *entry[K, V]
	if unsafe.Sizeof(entry[K, V]{}) > maxLocked { // it takes too long to make with the chain locked
		spare, err = m.newEntry(k, actual)
		defer func() {
			if spare != nil {
				m.discard(spare)
			}
		}()
	}
	h := m.hash(k)
	t, root := m.c.lock(h)
	old, p := m.find(t, root, h, k)
	committed := false
	defer func() {
		if !committed { // fn panicked, or there is nothing to do
			m.c.release(root)
		}
	}()
	if t.closed {
		return actual, false, ErrClosed
	}
	if old != nil {
		actual, ok = old.value, true
	}
	next, op := compute(&m.c.computing, fn, actual, ok)
	checkOp("a Map", op, DeleteOp)
	switch op {
	case UpdateOp:
		e := spare
		if e != nil {
			spare, e.value = nil, next
		} else if err == nil {
			e, err = m.newEntry(k, next)
		}
		if err != nil {
			return actual, ok, err
		}
		committed = true
		if err = m.c.commit(UpdateOp, t, root, p, h, ref(unsafe.Pointer(e))); err != nil {
			m.discard(e)
			return actual, ok, err
		}
		actual, ok = next, true
	case DeleteOp:
		committed = true
		m.c.commit(DeleteOp, t, root, p, h, nil)
		var none V
		actual, ok = none, false
	}
	if committed && old != nil {
		m.retire(old)
	}
	return actual, ok, nil
}

// computeNaN is Compute of a key that differs from itself: no lookup finds its entries, so no other
// writer changes them.
func (m *Map[K, V]) computeNaN(k K, fn func(V, bool) (V, Op)) (actual V, ok bool, err error) {
	next, op := fn(actual, false)
	checkOp("a Map", op, DeleteOp)
	if op != UpdateOp {
		return actual, false, nil
	}
	if err := m.Store(k, next); err != nil {
		return actual, false, err
	}
	return next, true, nil
}

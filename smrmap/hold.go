package smrmap

import (
	"github.com/gosmr/gosmr/smr"
)

// What is held is an entry. Writers unlink it as any other, and retire it: package slab keeps it until
// it is released. So the map itself knows of no holds. A slab with an entry that is held is not
// emptied by [Bytes.CompactFor]; where an entry is held while it is moved, its old block stays until it is
// released.

// Hold keeps the value of k after section s, as [smr.Hold] keeps an object, and reports whether there
// is one. What is held does not change, and stays when the entry is replaced or deleted, and the map
// is closed, which waits for Release. (If V is a pointer, what it points to is another object: where
// that is given to [smr.Call] or to a pool, hold it by smr.Hold.)
//
// Cost: that of LoadIn and smr.Hold; no allocation.
func (m *Map[K, V]) Hold(s smr.Section, k K) (value smr.Held[V], ok bool) {
	m.dom.CheckSection(s)
	h := m.hash(k)
	t, root, _ := m.c.table.Load().follow(h)
	e, _ := m.find(t, root, h, k)
	if e == nil {
		return value, false
	}
	return smr.HoldPart(s, e, &e.value), true
}

// A HeldItem keeps the item of a key, as an [smr.Held] keeps an object. It is a small value, and all
// copies are the same hold. The zero HeldItem holds nothing.
type HeldItem struct {
	entry   smr.Held[header]
	expires int64
}

// Hold keeps the item of a key after section s, as [smr.Hold] keeps an object, and reports whether
// there is one. What is held stays when the entry is replaced, deleted, moved or evicted, expires, or
// the map is closed, which waits for Release. Its memory counts in the budget until then.
//
//	s := m.Enter()
//	h, ok := m.Hold(s, key)
//	s.Leave()
//	if ok {
//		conn.Write(h.Get().Value) // however long it takes
//		h.Release()
//	}
//
// Cost: that of LoadIn and smr.Hold; no copy, no allocation.
func (m *Bytes) Hold(s smr.Section, key []byte) (HeldItem, bool) {
	m.dom.CheckSection(s)
	if len(key) > MaxLen {
		return HeldItem{}, false
	}
	h := m.hashOf(key)
	t, root, _ := m.c.table.Load().follow(h)
	e, _ := m.find(t, root, h, key)
	if e == nil {
		return HeldItem{}, false
	}
	expires := e.expires.Load() // it may change
	if m.past(expires) {
		return HeldItem{}, false
	}
	if e.used.Load() == 0 {
		e.used.Store(1)
	}
	return HeldItem{smr.Hold(s, e), expires}, true
}

// Get returns the item, as it was when it was held: do not write to the value, nor use it after
// Release. It panics if the hold was released, or is zero.
func (h HeldItem) Get() Item { return Item{h.entry.Get().value(), h.expires} }

// Release ends the hold: see [smr.Held.Release].
func (h HeldItem) Release() { h.entry.Release() }

// Clone holds the item once more: see [smr.Held.Clone].
func (h HeldItem) Clone() HeldItem { return HeldItem{h.entry.Clone(), h.expires} }

// Active reports whether the item is held: see [smr.Held.Active].
func (h HeldItem) Active() bool { return h.entry.Active() }

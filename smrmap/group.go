package smrmap

import (
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/prefetch"
	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// A group is a few keys that are loaded or stored together. Their lines are fetched ahead, those of all
// buckets and then those of all entries, so that the misses overlap. A Load of what fetch has found is
// that of [Map.Load], except that more time passes between its steps; all else goes key by key, as if alone.
type group struct {
	hashes  [groupKeys]uint64
	ctls    [groupKeys]uint64         // of the roots, loaded before tags and slots
	roots   [groupKeys]unsafe.Pointer // in the table of the moment
	entries [groupKeys]unsafe.Pointer // of the first slot that has the key's tag, or of any other
}

// groupKeys is about as many misses as a processor has under way at a time.
const groupKeys = 16

// fetch finds roots and entries of n keys by their hashes, and asks for their lines; span is from the first
// to the last byte that is of interest in an entry.
func (c *core) fetch(g *group, n int, span uintptr) {
	t := c.table.Load()
	for i, h := range g.hashes[:n] {
		g.roots[i] = unsafe.Pointer(t.bucket(h))
	}
	prefetch.Lines(g.roots[:n], 0)
	for i, h := range g.hashes[:n] {
		root := (*bucket)(g.roots[i])
		ctl, tags := root.words()
		g.ctls[i] = ctl
		slot := min(index(match(tags, tag(h))), slotsPerBucket-1) // without a branch, which may wait for the line
		g.entries[i] = unsafe.Pointer(root.at(slot).Load())
	}
	prefetch.Lines(g.entries[:n], span)
}

// fetch is [core.fetch] for some keys.
func (m *Map[K, V]) fetch(g *group, keys []K) {
	for i, k := range keys {
		if m.isInts {
			g.hashes[i] = m.ints.hash(integer(k))
		} else {
			g.hashes[i] = m.hash(k)
		}
	}
	m.c.fetch(g, len(keys), max(unsafe.Sizeof(entry[K, V]{}), 1)-1)
}

// LoadAll loads several keys: it sets values[i] to a copy of the value of keys[i], the zero value if there
// is none, and found[i] to whether there is one. It returns how many there are. Each value is one
// that its key had at some moment of the call; of two keys, whichever comes first in keys, either may be the
// older: together they are no snapshot. values and found must be as long as keys.
//
// Cost: in a large map half of that of as many Loads, or less: the cache misses of 16 keys overlap. In one
// that is cached, twice that of the Loads. No allocation.
func (m *Map[K, V]) LoadAll(keys []K, values []V, found []bool) (n int) {
	values, found = values[:len(keys)], found[:len(keys)]
	var g group
	for len(keys) > 0 {
		some := min(len(keys), groupKeys)
		m.fetch(&g, keys[:some])
		n += m.loadGroup(&g, keys[:some], values, found)
		keys, values, found = keys[some:], values[some:], found[some:]
	}
	return n
}

// loadGroup is LoadAll of keys that fetch was called for.
func (m *Map[K, V]) loadGroup(g *group, keys []K, values []V, found []bool) (n int) {
	for i, k := range keys {
		e, root := m.entry(ref(g.entries[i])), (*bucket)(g.roots[i])
		found[i] = false
		sched.Plain() // as in Load
		if !m.inSection && e != nil && e.key == k {
			sched.Plain()
			values[i] = e.value
			found[i] = !root.changed(g.ctls[i] &^ moved)
		}
		if !found[i] {
			values[i], found[i] = m.load(g.hashes[i], k)
		}
		if found[i] {
			n++
		}
	}
	runtime.KeepAlive(m) // or the entries' memory might go
	return n
}

// StoreAll stores values[i] for keys[i], in this order, each as [Map.Store] does: others see some of them
// before the rest. It stops at the first error, one of Store's, and returns how many it has stored. values
// must be as long as keys.
//
// Cost: as LoadAll's, a part of that of as many Stores in a large map.
func (m *Map[K, V]) StoreAll(keys []K, values []V) (stored int, err error) {
	values = values[:len(keys)]
	var g group
	for stored < len(keys) {
		some := min(len(keys)-stored, groupKeys)
		m.fetch(&g, keys[stored:stored+some])
		for range some {
			if err := m.Store(keys[stored], values[stored]); err != nil {
				return stored, err
			}
			stored++
		}
	}
	return stored, nil
}

// fetch is [core.fetch] for some keys, of entries that begin in the first two lines of their blocks.
func (m *Bytes) fetch(g *group, keys [][]byte) {
	for i, k := range keys {
		if g.hashes[i] = 0; len(k) <= MaxLen {
			g.hashes[i] = m.hashOf(k)
		}
	}
	m.c.fetch(g, len(keys), lineSize)
}

// LoadAllIn is [Bytes.LoadIn] of several keys: it sets items[i] to the item of keys[i], the zero Item if
// there is none, and found[i] to whether there is one, and returns how many there are. Together they are no
// snapshot. items and found must be as long as keys.
//
// Cost: in a large map less than that of as many LoadIns, as their cache misses overlap. No allocation.
func (m *Bytes) LoadAllIn(s smr.Section, keys [][]byte, items []Item, found []bool) (n int) {
	items, found = items[:len(keys)], found[:len(keys)]
	var g group
	for len(keys) > 0 {
		some := min(len(keys), groupKeys)
		m.fetch(&g, keys[:some])
		for i, k := range keys[:some] {
			if items[i], found[i] = m.LoadIn(s, k); found[i] {
				n++
			}
		}
		keys, items, found = keys[some:], items[some:], found[some:]
	}
	return n
}

// StoreAll is [Map.StoreAll], of values that never expire.
func (m *Bytes) StoreAll(keys, values [][]byte) (stored int, err error) {
	values = values[:len(keys)]
	var g group
	for stored < len(keys) {
		some := min(len(keys)-stored, groupKeys)
		m.fetch(&g, keys[stored:stored+some])
		for range some {
			if err := m.Store(keys[stored], values[stored]); err != nil {
				return stored, err
			}
			stored++
		}
	}
	return stored, nil
}

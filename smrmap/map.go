package smrmap

import (
	"context"
	"hash/maphash"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A Map maps keys to values. It is biased towards reads: Load takes no lock, stores to nothing that
// others read, and allocates nothing. Writers lock one bucket, for tens of nanoseconds.
//
// If K and V hold no Go pointers, entries lie off the Go heap, where the collector does not see
// them, and a Store allocates nothing. Otherwise each Store allocates an entry on the Go heap.
//
// The map protects entries, not what a value points to. A *T in a value is the collector's, and stays
// while it is held; but if another goroutine retires or frees the T, only a section keeps it: see
// [Map.Load]. Where that is not wanted, let V be a struct, which is copied.
//
// All methods may be called by any number of goroutines. Each operation on a key is atomic
// (linearizable); walks are not. Make a Map with [New]; it must not be copied.
type Map[K comparable, V any] struct {
	c    core
	dom  *smr.Domain
	pool *slab.Pool[entry[K, V]] // nil: entries are on the Go heap
	hasher[K]

	// inSection: Load reads entries in a section, since one that was freed can be another's by then,
	// or faults, as in a quarantine. Else it reads them without, as optimistic_on.go says.
	inSection bool
	quickInts bool // keys are integers, and Load may read them without a section
}

// An entry does not change once it is in the map.
type entry[K comparable, V any] struct {
	key   K
	value V
}

// New returns an empty map. It fails if the options are not valid, or the table finds no memory.
func New[K comparable, V any](o Options) (*Map[K, V], error) {
	if err := o.normalize(); err != nil {
		return nil, err
	}
	m := &Map[K, V]{dom: o.Domain, hasher: newHasher[K]()}
	if slab.CanBeOffHeap[entry[K, V]]() {
		m.pool = slab.New[entry[K, V]](o.Domain, slab.Options{
			Budget: o.Budget, PrivateFree: true, FreeOnDrop: true, Quarantine: o.Quarantine,
		})
	}
	m.inSection = m.pool != nil && (!optimistic || o.Quarantine.OneIn > 0)
	m.quickInts = m.isInts && !m.inSection
	if err := m.c.init(&o, m.pool == nil, func(e ref) uint64 { return m.hashOf(m.entry(e)) }); err != nil {
		if m.pool != nil {
			m.pool.Close(context.Background()) // it is empty
		}
		return nil, err
	}
	return m, nil
}

func (m *Map[K, V]) entry(e ref) *entry[K, V] { return (*entry[K, V])(unsafe.Pointer(e)) }

// hashOf returns the hash that leads to entry e, the same for as long as e is in the map: of the
// key or, if that differs from itself, of e's address. So these entries, too, spread over the
// buckets, keep their range of hashes when the table is replaced, and are seen once by a walk.
func (m *Map[K, V]) hashOf(e *entry[K, V]) uint64 {
	if m.mayBeNaN && e.key != e.key {
		return m.ints.hash(uint64(uintptr(unsafe.Pointer(e))))
	}
	return m.hash(e.key)
}

// OffHeap reports whether entries are off the Go heap.
func (m *Map[K, V]) OffHeap() bool { return m.pool != nil }

// Load returns a copy of the value of k, and whether there is one. If V is a pointer, and the writer
// passes its target to [smr.Call] or a pool once that is out of the map, follow the copy only in a
// section of that domain, entered before Load; or use [Map.LoadIn] or [Map.View].
//
// Cost: two cache misses in a large map; no lock, no allocation. On linux/amd64, without
// [Options.Quarantine], no section either: it copies the value, then checks that the entry was in the
// map until then.
func (m *Map[K, V]) Load(k K) (value V, ok bool) {
	var h uint64
	switch {
	case m.quickInts:
		h = m.ints.hash(integer(k))
	case m.inSection:
		return m.load(m.hash(k), k)
	default:
		h = maphash.Comparable(m.seed, k)
	}
	// What find does, for the root alone: a Load that hits there makes no call.
	root := m.c.table.Load().bucket(h)
	ctl := root.ctl.Load()
	for found := match(root.tags.Load(), tag(h)); found != 0; found &= found - 1 {
		e := m.entry(root.at(index(found)).Load())
		sched.Plain() // the entry may become another key's, here and below
		if e == nil {
			continue // not &&: where == is a call, that would cost a branch and more reloads
		}
		if e.key == k {
			sched.Plain()
			value = e.value
			if root.changed(ctl &^ moved) { // or was moved before
				break
			}
			runtime.KeepAlive(m) // or the entry's memory might go
			return value, true
		}
	}
	if ctl&(linkMask|moved) == 0 && !root.changed(ctl) {
		var none V
		return none, false // the root is all there is
	}
	return m.load(h, k)
}

// maxTries bounds how often load starts over while entries of its chain are deleted and replaced.
const maxTries = 8

// load is Load of a key whose hash is h, wherever its entry is.
func (m *Map[K, V]) load(h uint64, k K) (none V, _ bool) {
	for tries := 0; tries < maxTries && !m.inSection; tries++ {
		t, root, ctl := m.c.table.Load().follow(h)
		e, _ := m.find(t, root, h, k)
		// Since its slot was loaded the entry may have been freed and its memory reused: what was
		// read counts only if nothing was unlinked since ctl was loaded.
		if e == nil {
			if root.changed(ctl) {
				continue
			}
			return none, false
		}
		sched.Plain()
		value := e.value
		if root.changed(ctl) {
			continue
		}
		runtime.KeepAlive(m) // or the entry's memory might go
		return value, true
	}
	if m.pool != nil { // else the collector keeps what is found
		s, ok := m.dom.TryEnter()
		if !ok {
			return none, false
		}
		defer s.Leave()
	}
	t, root, _ := m.c.table.Load().follow(h)
	if e, _ := m.find(t, root, h, k); e != nil {
		return e.value, true
	}
	return none, false
}

// LoadIn returns the value of k itself, nil if there is none, to a reader in section s of the map's
// domain. The value is borrowed: do not write to it, and do not use it after s is left. It does not
// change: a Store puts another one in its place. The same section protects what the value points to, if
// the domain is that of its objects. LoadIn never blocks, so s may be pinned.
func (m *Map[K, V]) LoadIn(s smr.Section, k K) (*V, bool) {
	m.dom.CheckSection(s)
	h := m.hash(k)
	t, root, _ := m.c.table.Load().follow(h)
	e, _ := m.find(t, root, h, k)
	if e == nil {
		return nil, false
	}
	return lendValue(m, s, k, &e.value), true
}

// View calls fn in a section of the map's domain with the value of k itself, borrowed until fn
// returns, as in [Map.LoadIn]. It reports whether there was one; without, fn is not called. It leaves
// the section also if fn panics.
//
// Cost: that of a LoadIn and a section; no allocation.
func (m *Map[K, V]) View(k K, fn func(*V)) bool {
	s, ok := m.dom.TryEnter()
	if !ok {
		return false
	}
	defer s.Leave()
	v, ok := m.LoadIn(s, k)
	if ok {
		fn(v)
	}
	return ok
}

// Domain returns the map's domain: [Options.Domain], or the default one.
func (m *Map[K, V]) Domain() *smr.Domain { return m.dom }

// Enter opens a section of the map's domain, for [Map.LoadIn]: see [smr.Domain.Enter].
func (m *Map[K, V]) Enter() smr.Section { return m.dom.Enter() }

// find returns the entry of k in a chain, nil if there is none, and its slot.
func (m *Map[K, V]) find(t *table, b *bucket, h uint64, k K) (*entry[K, V], place) {
	for want := tag(h); b != nil; {
		ctl, tags := b.words()
		for found := match(tags, want); found != 0; found &= found - 1 {
			i := index(found)
			if e := m.entry(b.at(i).Load()); e != nil && e.key == k {
				return e, place{b, i}
			}
		}
		b = t.chained(ctl, tags)
	}
	return nil, place{}
}

// Len returns the number of entries.
//
// Cost: one load per processor.
func (m *Map[K, V]) Len() int { return int(max(m.c.count.Load(), 0)) }

// Stats returns a snapshot.
func (m *Map[K, V]) Stats() Stats {
	st := m.c.stats()
	if m.pool != nil {
		st.addEntries(m.pool.Stats())
	}
	return st
}

// Close empties the map for good and gives its memory back. It may be called while others use the
// map: from then on operations find nothing, and those that would store something return an error
// that wraps [ErrClosed].
//
// Close waits for the functions of Compute that run, whatever ctx says, and for a table that is
// being replaced. Then it waits until the sections of the domain that are open now have been left,
// each [Map.Hold] is released, and operations under way have given back the entries they hold; if ctx
// ends first it returns an error, and a second Close waits for the rest. For entries on the Go heap
// it does not wait.
//
// The domain may be closed first. Then operations that need a section of it find nothing, writes
// return ErrClosed, and Close waits as [smr.Domain.Close] does.
func (m *Map[K, V]) Close(ctx context.Context) error {
	checkMayClose(m.dom)
	m.c.seal(func(e ref) { m.retire(m.entry(e)) })
	if m.pool == nil {
		return nil
	}
	return closeEntries(ctx, m.pool.Close, func() int64 { return m.pool.Stats().ReservedBytes })
}

package smrmap

import (
	"context"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

// A Map maps keys to values. It is biased towards reads: Load takes no lock, stores to
// nothing that others read, and allocates nothing. Writers lock a bucket of a few
// entries for some tens of nanoseconds.
//
// If K and V hold no Go pointers, entries lie off the Go heap, where the collector does
// not see them, and a Store allocates nothing. Otherwise they lie on it, one allocation
// for each Store, and it is a map like others.
//
// All methods may be called by any number of goroutines. Each operation on a key is
// atomic (linearizable); walks are not. Make a Map with [New]; it must not be copied.
type Map[K comparable, V any] struct {
	c    core
	dom  *smr.Domain
	pool *slab.Pool[entry[K, V]] // nil: entries are on the Go heap
	hasher[K]
}

// An entry does not change once it is in the map.
type entry[K comparable, V any] struct {
	key   K
	value V
}

// New returns an empty map. It returns an error if the options are not valid, or the
// budget has no room for the table.
func New[K comparable, V any](o Options) (*Map[K, V], error) {
	if err := o.normalize(); err != nil {
		return nil, err
	}
	m := &Map[K, V]{dom: o.Domain, hasher: newHasher[K]()}
	if slab.OffHeap[entry[K, V]]() {
		m.pool = slab.New[entry[K, V]](o.Domain, slab.Options{Budget: o.Budget, Unstable: true, FreeOnDrop: true})
	}
	if err := m.c.init(&o, m.pool == nil, func(e ref) uint64 { return m.hashOf(m.entry(e)) }); err != nil {
		if m.pool != nil {
			m.pool.Close(context.Background()) // it is empty
		}
		return nil, err
	}
	return m, nil
}

func (m *Map[K, V]) entry(e ref) *entry[K, V] { return (*entry[K, V])(unsafe.Pointer(e)) }

// hashOf returns the hash that leads to entry e, the same for as long as e is in the map.
//
// Where the key differs from itself that is the hash of e's address, which nothing moves:
// such entries are spread as others are, stay in their stretch of hashes when the table
// changes, and are seen once by a walk.
func (m *Map[K, V]) hashOf(e *entry[K, V]) uint64 {
	if m.differs(e.key) {
		return m.ints.hash(uint64(uintptr(unsafe.Pointer(e))))
	}
	return m.hash(e.key)
}

// OffHeap reports whether entries are off the Go heap.
func (m *Map[K, V]) OffHeap() bool { return m.pool != nil }

// Load returns a copy of the value of k, and whether there is one.
//
// Cost: two cache misses where the map is large; no lock, no allocation. On linux/amd64
// not even a section: the copy is made, and then looked at whether the entry was still
// in the map.
func (m *Map[K, V]) Load(k K) (value V, ok bool) {
	if !m.isInts || !optimistic && m.pool != nil {
		return m.load(m.hash(k), k)
	}
	// The common case of load, without calls.
	h := m.ints.hash(integer(k))
	root := m.c.table.Load().bucket(h)
	ctl := root.ctl.Load()
	for found := match(root.tags.Load(), tag(h)); found != 0; found &= found - 1 {
		e := m.entry(root.at(index(found)).Load())
		if e == nil || e.key != k {
			continue
		}
		value = e.value
		if root.changed(ctl) || ctl&moved != 0 {
			break
		}
		runtime.KeepAlive(m) // or the entry's memory might go
		return value, true
	}
	return m.load(h, k)
}

// load is Load of a key whose hash is h.
func (m *Map[K, V]) load(h uint64, k K) (none V, _ bool) {
	if !optimistic && m.pool != nil {
		return m.loadIn(h, k)
	}
	want := tag(h)
	t := m.c.table.Load()
	tries := 0
again:
	if tries++; tries > maxTries {
		return m.loadIn(h, k)
	}
	root := t.bucket(h)
	ctl := root.ctl.Load()
	if ctl&moved != 0 {
		t = t.next.Load()
		tries = 0
		goto again
	}
	for b, link := root, ctl; ; link = b.ctl.Load() {
		tags := b.tags.Load()
		for found := match(tags, want); found != 0; found &= found - 1 {
			e := m.entry(b.at(index(found)).Load())
			if e == nil {
				continue // deleted just now
			}
			// From here on the entry may be freed, and another's.
			if e.key != k {
				if root.changed(ctl) {
					goto again // it may have been
				}
				continue
			}
			value := e.value
			if root.changed(ctl) {
				goto again
			}
			runtime.KeepAlive(m) // or the entry's memory might go
			return value, true
		}
		if b = t.chained(link, tags); b == nil {
			return none, false
		}
	}
}

// maxTries bounds how often Load starts over because of those who delete and replace
// entries of the same bucket.
const maxTries = 8

// loadIn is Load in a section.
func (m *Map[K, V]) loadIn(h uint64, k K) (value V, ok bool) {
	s := m.dom.Enter()
	defer s.Leave()
	if e := m.lookup(h, k); e != nil {
		return e.value, true
	}
	return value, false
}

// LoadIn returns the value of k itself, or nil if there is none, to a reader in section
// s of the map's domain. It is borrowed: it must not be written to, nor used after s is
// left. It does not change; a Store puts another one in its place.
func (m *Map[K, V]) LoadIn(s smr.Section, k K) (*V, bool) {
	m.dom.CheckSection(s)
	e := m.lookup(m.hash(k), k)
	if e == nil {
		return nil, false
	}
	return &e.value, true
}

// lookup returns the entry of k to a reader in a section, or nil.
func (m *Map[K, V]) lookup(h uint64, k K) *entry[K, V] {
	t, b, _ := m.c.table.Load().follow(h)
	for want := tag(h); b != nil; {
		ctl := b.ctl.Load()
		tags := b.tags.Load()
		for found := match(tags, want); found != 0; found &= found - 1 {
			if e := m.entry(b.at(index(found)).Load()); e != nil && e.key == k {
				return e
			}
		}
		b = t.chained(ctl, tags)
	}
	return nil
}

// find returns the place of k in a locked chain; its bucket is nil if there is none.
func (m *Map[K, V]) find(t *table, b *bucket, h uint64, k K) place {
	for want := tag(h); b != nil; b = t.after(b) {
		for found := match(b.tags.Load(), want); found != 0; found &= found - 1 {
			i := index(found)
			if e := m.entry(b.at(i).Load()); e != nil && e.key == k {
				return place{b, i}
			}
		}
	}
	return place{}
}

// Store sets the value of k. It returns an error that wraps [slab.ErrNoMemory] if the
// budget is at its end; then the map is as it was.
//
// Cost: a locked instruction, and where entries are on the Go heap an allocation.
func (m *Map[K, V]) Store(k K, value V) error {
	if m.pool != nil && unsafe.Sizeof(entry[K, V]{}) <= maxLocked && m.replace(k, &value) {
		return nil
	}
	e, err := m.newEntry(k, value)
	if err != nil {
		return err
	}
	_, err = m.put(e, true)
	return err
}

// replace is Store where k has a value in the root bucket, the lock is free, and all else
// is at hand. It does without waiting, so that it may be pinned from start to end.
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

// newEntry returns an entry that nobody else has.
func (m *Map[K, V]) newEntry(k K, value V) (*entry[K, V], error) {
	if m.pool == nil {
		return &entry[K, V]{k, value}, nil
	}
	e, err := m.pool.Get()
	if err == nil {
		e.key, e.value = k, value
	}
	return e, err
}

// retire gives back an entry that was unlinked.
func (m *Map[K, V]) retire(e *entry[K, V]) {
	if m.pool != nil {
		m.pool.Retire(e)
	}
}

// discard gives back an entry that was never in the map.
func (m *Map[K, V]) discard(e *entry[K, V]) {
	if m.pool != nil {
		m.pool.Free(e)
	}
}

// put puts e, which nobody else has, into the map. If its key is there, e replaces that
// entry, or, with replace false, put leaves it and returns it, to a caller in a section.
// It discards e if it returns an entry or an error, which wraps [slab.ErrNoMemory].
func (m *Map[K, V]) put(e *entry[K, V], replace bool) (there *entry[K, V], err error) {
	h := m.hashOf(e)
	t, root, ctl := m.c.lock(h)
	p := m.find(t, root, h, e.key)
	if p.b != nil && !replace {
		there = m.entry(p.load())
		m.c.lots.release(root, ctl)
		m.discard(e)
		return there, nil
	}
	old, err := m.c.set(t, root, p, h, unsafe.Pointer(e))
	switch {
	case err != nil:
		m.discard(e)
	case old != nil:
		m.retire((*entry[K, V])(old))
	}
	return nil, err
}

// LoadOrStore returns the value of k if there is one, and otherwise stores the one given.
// Errors are those of [Map.Store].
func (m *Map[K, V]) LoadOrStore(k K, value V) (actual V, loaded bool, err error) {
	if actual, loaded = m.Load(k); loaded {
		return actual, true, nil
	}
	if m.pool != nil {
		s := m.dom.Enter()
		defer s.Leave()
	}
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
// Cost: a locked instruction. Where there is no entry: that of a [Map.Load], but for one
// time in 40.
func (m *Map[K, V]) LoadAndDelete(k K) (value V, loaded bool) {
	h := m.hash(k)
	if m.c.lacks(h) {
		return value, false
	}
	t, root, ctl := m.c.lock(h)
	p := m.find(t, root, h, k)
	if p.b == nil {
		m.c.lots.release(root, ctl)
		return value, false
	}
	old := m.entry(p.load())
	m.c.remove(t, root, p)
	value = old.value
	m.retire(old)
	return value, true
}

// Delete deletes the entry of k, and reports whether there was one. Its cost is that of
// [Map.LoadAndDelete].
func (m *Map[K, V]) Delete(k K) bool {
	_, loaded := m.LoadAndDelete(k)
	return loaded
}

// Compute calls fn with the value of k, and whether there is one, and does what it says;
// nobody else writes to k meanwhile. It returns the value of k afterwards, and whether there
// is one: the zero value and false after DeleteOp, also where there was one. fn is called
// once. If it panics, nothing has happened.
//
// fn runs with the bucket locked, which holds up writers of k and of the few keys beside it,
// and the growing of the map, but no reader. It should be short, and must not write to the
// map or walk over it. Where fn would often find that there is nothing to do, look with
// [Map.Load] first: that locks nothing. fn must not wait for readers: others may wait for the
// bucket in a section.
//
// Errors are those of [Map.Store]. Idea: xsync's Compute.
func (m *Map[K, V]) Compute(k K, fn func(old V, loaded bool) (V, Op)) (actual V, ok bool, err error) {
	switch {
	case m.differs(k):
		return m.computeUnequal(k, fn)
	case unsafe.Sizeof(entry[K, V]{}) > maxLocked:
		return m.computeLarge(k, fn)
	}
	return m.compute(k, fn, nil)
}

// compute is Compute; ready, if it is not nil, makes the entry that is to be stored.
func (m *Map[K, V]) compute(k K, fn func(V, bool) (V, Op), ready func(V) (*entry[K, V], error)) (actual V, ok bool, err error) {
	h := m.hash(k)
	t, root, ctl := m.c.lock(h)
	done := false
	defer func() {
		if !done { // fn panicked, or there is nothing to do
			m.c.lots.release(root, ctl)
		}
	}()
	p := m.find(t, root, h, k)
	var old *entry[K, V]
	if p.b != nil {
		old = m.entry(p.load())
		actual, ok = old.value, true
	}
	next, op := fn(actual, ok)
	checkOp("a Map", op, DeleteOp)
	switch {
	case op == UpdateOp:
		var e *entry[K, V]
		if ready == nil {
			e, err = m.newEntry(k, next)
		} else {
			e, err = ready(next)
		}
		if err != nil {
			return actual, ok, err
		}
		done = true
		if _, err = m.c.set(t, root, p, h, unsafe.Pointer(e)); err != nil {
			m.discard(e)
			return actual, ok, err
		}
		actual, ok = next, true
	case op == DeleteOp && ok:
		done = true
		m.c.remove(t, root, p)
		fallthrough
	case op == DeleteOp:
		var none V
		actual, ok = none, false
	}
	if done && old != nil {
		m.retire(old)
	}
	return actual, ok, nil
}

// computeLarge is Compute where an entry takes too long to allocate with a bucket locked.
func (m *Map[K, V]) computeLarge(k K, fn func(V, bool) (V, Op)) (actual V, ok bool, err error) {
	spare, noMemory := m.newEntry(k, actual)
	defer func() {
		if spare != nil {
			m.discard(spare)
		}
	}()
	return m.compute(k, fn, func(next V) (*entry[K, V], error) {
		e := spare
		if e != nil {
			spare, e.value = nil, next
		}
		return e, noMemory
	})
}

// computeUnequal is Compute of a key that differs from itself: there is no entry that it
// finds, and none that anybody else could write to.
func (m *Map[K, V]) computeUnequal(k K, fn func(V, bool) (V, Op)) (actual V, ok bool, err error) {
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

// Len returns the number of entries. Cost: one load per processor.
func (m *Map[K, V]) Len() int { return int(max(m.c.count.Load(), 0)) }

// Stats returns a snapshot.
func (m *Map[K, V]) Stats() Stats {
	st := m.c.stats()
	if m.pool != nil {
		p := m.pool.Stats()
		st.EntryBytes = p.InUseBytes
		st.PendingBytes = p.PendingBytes
		st.FreeBytes = p.FreeBytes
		st.ReservedBytes += p.ReservedBytes
	}
	return st
}

// Close empties the map and gives its memory back. Nobody may use the map any more; it
// waits for readers in sections, and returns an error if ctx ends first.
func (m *Map[K, V]) Close(ctx context.Context) error {
	m.Clear()
	m.c.close()
	if m.pool != nil {
		return m.pool.Close(ctx)
	}
	return nil
}

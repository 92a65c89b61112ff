package smrmap

import (
	"context"
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/internal/mutant"
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
	if err := m.c.init(&o, m.pool == nil, func(e ref) uint64 { return m.hash(m.entry(e).key) }); err != nil {
		if m.pool != nil {
			m.pool.Close(context.Background()) // it is empty
		}
		return nil, err
	}
	return m, nil
}

func (m *Map[K, V]) entry(e ref) *entry[K, V] { return (*entry[K, V])(unsafe.Pointer(e)) }

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
	if ctl&moved != 0 && !mutant.Is(mutant.NoMovedCheck) {
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
	if m.pool != nil && m.replace(k, &value) {
		return nil
	}
	_, _, err := m.Compute(k, func(V, bool) (V, Op) { return value, UpdateOp })
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
				if mutant.Is(mutant.UnpinnedSwap) {
					l.Unpin()
					runtime.Gosched()
					l = m.pool.Pin()
				}
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

// discard gives back an entry that was not in the map.
func (m *Map[K, V]) discard(e *entry[K, V]) {
	if m.pool != nil {
		m.pool.Free(e)
	}
}

// retire gives back an entry that was unlinked.
func (m *Map[K, V]) retire(e *entry[K, V]) {
	if m.pool != nil {
		m.pool.Retire(e)
	}
}

// LoadOrStore returns the value of k if there is one, and otherwise stores the one given.
// Errors are those of [Map.Store].
func (m *Map[K, V]) LoadOrStore(k K, value V) (actual V, loaded bool, err error) {
	if actual, loaded = m.Load(k); loaded {
		return actual, true, nil
	}
	actual, _, err = m.Compute(k, func(old V, there bool) (V, Op) {
		if loaded = there; there {
			return old, CancelOp
		}
		return value, UpdateOp
	})
	return actual, loaded, err
}

// LoadAndDelete deletes the entry of k, and returns its value and whether there was one.
func (m *Map[K, V]) LoadAndDelete(k K) (value V, loaded bool) {
	m.Compute(k, func(old V, there bool) (V, Op) {
		value, loaded = old, there
		return old, DeleteOp
	})
	return value, loaded
}

// Delete deletes the entry of k, and reports whether there was one.
func (m *Map[K, V]) Delete(k K) bool {
	_, loaded := m.LoadAndDelete(k)
	return loaded
}

// Compute calls fn with the value of k, and whether there is one, and does what it says;
// nobody else writes to k meanwhile. It returns the value of k afterwards, and whether
// there is one. fn is called once. It should be short, since the bucket is locked, and it
// must not write to the map or walk over it. If it panics, nothing has happened.
//
// Errors are those of [Map.Store]. Idea: xsync's Compute.
func (m *Map[K, V]) Compute(k K, fn func(old V, loaded bool) (V, Op)) (actual V, ok bool, err error) {
	h := m.hash(k)
	t, root, ctl := m.c.lock(h)
	done := false
	defer func() {
		if !done { // fn panicked
			m.c.lots.release(root, root.ctl.Load())
		}
	}()
	p := m.find(t, root, h, k)
	var old *entry[K, V]
	var value V
	if p.b != nil {
		old = m.entry(p.load())
		value = old.value
	}
	next, op := fn(value, old != nil)
	if op == ExpireOp || op < 0 || op > ExpireOp {
		panic("smrmap: Compute of a Map: " + op.String())
	}
	look := false
	retired := 0
	switch {
	case op == UpdateOp:
		var e *entry[K, V]
		if e, err = m.newEntry(k, next); err != nil {
			break
		}
		if old != nil {
			p.b.at(p.i).Store(ref(unsafe.Pointer(e)))
			retired = 1
		} else {
			if p, err = t.vacancy(root, false); err != nil {
				m.discard(e)
				break
			}
			p.b.place(p.i, h, ref(unsafe.Pointer(e)))
		}
		value = next
	case op == DeleteOp && old != nil:
		p.b.take(p.i)
		retired = 1
		look = m.c.tidied(t, root, p.b != root)
	}
	ctl = root.ctl.Load()
	if retired > 0 {
		ctl = bumped(ctl)
	}
	done = true
	m.c.lots.release(root, ctl)
	if retired > 0 {
		m.retire(old)
	}
	switch {
	case err != nil:
		return value, old != nil, err
	case op == UpdateOp:
		if old == nil {
			m.c.inserted(t, p, root)
		}
		return value, true, nil
	case op == DeleteOp:
		if old != nil {
			m.c.deleted(t, 1, look)
		}
		var none V
		return none, false, nil
	}
	return value, old != nil, nil
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

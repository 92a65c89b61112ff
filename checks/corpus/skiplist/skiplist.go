// Package skiplist is a sorted map that readers walk without a lock while one writer at a time changes
// it. Keys and values without pointers lie off the Go heap.
package skiplist

import (
	"cmp"
	"context"
	"iter"
	"math/rand/v2"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

const maxLevel = 12

// A node has a key, its value and a tower of links, of which level are in use. Key and value do not
// change; an update puts another node in its place.
type node[K cmp.Ordered, V any] struct {
	key   K
	value V
	level int
	next  [maxLevel]smr.Pointer[node[K, V]]
}

// A List is a sorted map.
type List[K cmp.Ordered, V any] struct {
	dom  *smr.Domain
	pool *slab.Pool[node[K, V]]
	head [maxLevel]smr.Pointer[node[K, V]]
	n    atomic.Int64

	mu  sync.Mutex // writers
	rnd *rand.Rand
}

// New returns an empty list, whose readers are in sections of dom.
func New[K cmp.Ordered, V any](dom *smr.Domain, o slab.Options) *List[K, V] {
	o.OffHeapLinks = slab.CanBeOffHeap[K]() && slab.CanBeOffHeap[V]()
	l := &List[K, V]{
		dom:  dom,
		pool: slab.New[node[K, V]](dom, o),
		rnd:  rand.New(rand.NewPCG(1, 2)),
	}
	for i := range l.head {
		l.head[i].In(dom)
		l.head[i].GuardedBy(&l.mu)
	}
	return l
}

// Domain returns the domain of the list's readers.
func (l *List[K, V]) Domain() *smr.Domain { return l.dom }

// Len returns the number of keys.
func (l *List[K, V]) Len() int { return int(l.n.Load()) }

// seek returns the first node whose key is not below k to a reader in section s, or nil.
func (l *List[K, V]) seek(s smr.Section, k K) *node[K, V] {
	links := &l.head
	var n *node[K, V]
	for i := maxLevel - 1; i >= 0; i-- {
		for {
			n = links[i].Load(s)
			if n == nil || n.key >= k {
				break
			}
			links = &n.next
		}
	}
	return n
}

// Find returns the value of a key, borrowed until s is left, or nil.
func (l *List[K, V]) Find(s smr.Section, k K) *V {
	if n := l.seek(s, k); n != nil && n.key == k {
		return &n.value
	}
	return nil
}

// Get returns a copy of the value of a key.
func (l *List[K, V]) Get(k K) (v V, ok bool) {
	s := l.dom.Enter()
	if p := l.Find(s, k); p != nil {
		v, ok = *p, true
	}
	s.Leave()
	return v, ok
}

// From iterates over the keys from lo on in section s. Values are borrowed.
func (l *List[K, V]) From(s smr.Section, lo K) iter.Seq2[K, *V] {
	return func(yield func(K, *V) bool) {
		for n := l.seek(s, lo); n != nil; n = n.next[0].Load(s) {
			if !yield(n.key, &n.value) {
				return
			}
		}
	}
}

// Range iterates over copies of the entries in [lo, hi). It opens a section for each few of them.
func (l *List[K, V]) Range(lo, hi K) iter.Seq2[K, V] {
	type entry struct {
		k K
		v V
	}
	return func(yield func(K, V) bool) {
		buf := make([]entry, 0, 64)
		for first := true; ; first = false {
			buf = buf[:0]
			s := l.dom.Enter()
			for k, v := range l.From(s, lo) {
				if k >= hi || len(buf) == cap(buf) {
					break
				}
				if k == lo && !first {
					continue
				}
				buf = append(buf, entry{k, *v})
			}
			s.Leave()
			for _, e := range buf {
				if !yield(e.k, e.v) {
					return
				}
			}
			if len(buf) < cap(buf) {
				return
			}
			lo = buf[len(buf)-1].k
		}
	}
}

// Min returns the first entry.
func (l *List[K, V]) Min() (k K, v V, ok bool) {
	l.dom.Read(func(s smr.Section) {
		if n := l.head[0].Load(s); n != nil {
			k, v, ok = n.key, n.value, true
		}
	})
	return k, v, ok
}

// preds are the links that lead to a key's place, at each level. A writer follows them.
type preds[K cmp.Ordered, V any] [maxLevel]*smr.Pointer[node[K, V]]

// find returns the links before a key, and its node or nil.
func (l *List[K, V]) find(k K) (p preds[K, V], n *node[K, V]) {
	links := &l.head
	for i := maxLevel - 1; i >= 0; i-- {
		for {
			n = links[i].LoadSerialized()
			if n == nil || n.key >= k {
				break
			}
			links = &n.next
		}
		p[i] = &links[i]
	}
	if n != nil && n.key != k {
		n = nil
	}
	return p, n
}

func (l *List[K, V]) randomLevel() int {
	level := 1
	for level < maxLevel && l.rnd.Uint32()&3 == 0 {
		level++
	}
	return level
}

// Set sets the value of a key.
func (l *List[K, V]) Set(k K, v V) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, old := l.find(k)
	return l.set(p, old, k, v)
}

// set puts a node in place of old, or after p.
func (l *List[K, V]) set(p preds[K, V], old *node[K, V], k K, v V) error {
	n, err := l.pool.Get()
	if err != nil {
		return err
	}
	n.key, n.value = k, v
	if old == nil {
		n.level = l.randomLevel()
		for i := range n.level {
			n.next[i].Init(p[i].LoadSerialized())
		}
	} else {
		n.level = old.level
		for i := range n.level {
			n.next[i].Init(old.next[i].LoadSerialized())
		}
	}
	for i := range n.level {
		p[i].Store(n) // bottom up: what is found above is there below
	}
	if old != nil {
		l.pool.Retire(old)
	} else {
		l.n.Add(1)
	}
	return nil
}

// Update sets the value of a key to what fn makes of the present one, nil if there is none. Other
// writers wait for fn.
func (l *List[K, V]) Update(k K, fn func(old *V) V) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, old := l.find(k)
	if old == nil {
		return l.set(p, nil, k, fn(nil))
	}
	return l.set(p, old, k, fn(&old.value))
}

// Delete deletes a key.
func (l *List[K, V]) Delete(k K) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	p, n := l.find(k)
	if n == nil {
		return false
	}
	l.unlink(p, n)
	return true
}

func (l *List[K, V]) unlink(p preds[K, V], n *node[K, V]) {
	for i := n.level - 1; i >= 0; i-- {
		p[i].Store(n.next[i].LoadSerialized())
	}
	l.n.Add(-1)
	l.pool.Retire(n)
}

// DeleteFunc deletes the entries for which del returns true, and returns how many.
func (l *List[K, V]) DeleteFunc(del func(K, *V) bool) (deleted int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := l.head[0].LoadSerialized(); n != nil; {
		next := n.next[0].LoadSerialized()
		if del(n.key, &n.value) {
			p, _ := l.find(n.key)
			l.unlink(p, n)
			deleted++
		}
		n = next
	}
	return deleted
}

// Close deletes all keys.
func (l *List[K, V]) Close(ctx context.Context) error {
	l.DeleteFunc(func(K, *V) bool { return true })
	return l.pool.Close(ctx)
}

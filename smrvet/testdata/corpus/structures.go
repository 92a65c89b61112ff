package corpus

import (
	"cmp"
	"context"
	"errors"
	"hash/maphash"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// A stack is Treiber's, of pooled nodes.
type stack[T any] struct {
	dom  *smr.Domain
	pool *slab.Pool[cell[T]]
	top  smr.Pointer[cell[T]]
}

type cell[T any] struct {
	next  smr.Pointer[cell[T]]
	value T
}

func (st *stack[T]) push(v T) error {
	c, err := st.pool.Get()
	if err != nil {
		return err
	}
	c.value = v
	s := st.dom.Pin()
	for {
		top := st.top.Load(s)
		c.next.Init(top)
		if st.top.CompareAndSwap(top, c) {
			s.Leave()
			return nil
		}
	}
}

func (st *stack[T]) pop() (v T, ok bool) {
	s := st.dom.Enter()
	for {
		top := st.top.Load(s)
		if top == nil {
			s.Leave()
			return v, false
		}
		if st.top.CompareAndSwap(top, top.next.Load(s)) {
			s.Leave()
			v = top.value
			st.pool.Retire(top)
			return v, true
		}
	}
}

func (st *stack[T]) peek() (v T, ok bool) {
	s := st.dom.Enter()
	defer s.Leave()
	if top := st.top.Load(s); top != nil {
		return top.value, true
	}
	return v, false
}

func (st *stack[T]) drain() (n int) {
	for top := st.top.Swap(nil); top != nil; n++ {
		next := top.next.LoadUnserialized()
		st.pool.Retire(top)
		top = next
	}
	return n
}

func (st *stack[T]) each(fn func(T) bool) {
	s := st.dom.Enter()
	defer s.Leave()
	for c := st.top.Load(s); c != nil; c = c.next.Load(s) {
		if !fn(c.value) {
			return
		}
	}
}

// A table is a hash table of queues, with one lock for writers.
type table[K comparable, V any] struct {
	dom     *smr.Domain
	seed    maphash.Seed
	mu      sync.Mutex
	buckets []smrq.SList[entry[K, V]]
	len     int
}

type entry[K comparable, V any] struct {
	key   K
	value V
	used  time.Time
	link  smrq.Link[entry[K, V]]
}

func newTable[K comparable, V any](dom *smr.Domain, n int) *table[K, V] {
	t := &table[K, V]{dom: dom, seed: maphash.MakeSeed(), buckets: make([]smrq.SList[entry[K, V]], n)}
	for i := range t.buckets {
		t.buckets[i].InitWith(func(e *entry[K, V]) *smrq.Link[entry[K, V]] { return &e.link })
		t.buckets[i].GuardedBy(&t.mu)
	}
	return t
}

func (t *table[K, V]) bucket(k K) *smrq.SList[entry[K, V]] {
	return &t.buckets[maphash.Comparable(t.seed, k)%uint64(len(t.buckets))]
}

// in finds an entry for a reader in section s.
func (t *table[K, V]) in(s smr.Section, k K) *entry[K, V] {
	b := t.bucket(k)
	for e := b.First(s); e != nil; e = b.Next(s, e) {
		if e.key == k {
			return e
		}
	}
	return nil
}

func (t *table[K, V]) get(k K) (v V, ok bool) {
	s := t.dom.Enter()
	defer s.Leave()
	if e := t.in(s, k); e != nil {
		return e.value, true
	}
	return v, false
}

func (t *table[K, V]) has(k K) bool {
	s := t.dom.Enter()
	e := t.in(s, k)
	s.Leave()
	return e != nil
}

func (t *table[K, V]) put(k K, v V) {
	e := &entry[K, V]{key: k, value: v, used: time.Now()}
	t.mu.Lock()
	defer t.mu.Unlock()
	b := t.bucket(k)
	for old := range b.AllSerialized() {
		if old.key == k {
			b.Replace(old, e)
			smr.Call(t.dom, old, 64, func(*entry[K, V]) {})
			return
		}
	}
	b.InsertHead(e)
	t.len++
}

func (t *table[K, V]) del(k K) (v V, ok bool) {
	t.mu.Lock()
	b := t.bucket(k)
	for c := b.Cursor(); c.Step(); {
		if c.Elem().key != k {
			c.Next()
			continue
		}
		e := c.Erase()
		t.len--
		t.mu.Unlock()
		v = e.value
		smr.Call(t.dom, e, 64, func(*entry[K, V]) {})
		return v, true
	}
	t.mu.Unlock()
	return v, false
}

// getOrPut looks without the lock first.
func (t *table[K, V]) getOrPut(k K, create func() (V, error)) (V, error) {
	s := t.dom.Enter()
	if e := t.in(s, k); e != nil {
		v := e.value
		s.Leave()
		return v, nil
	}
	s.Leave()
	v, err := create()
	if err != nil {
		return v, err
	}
	t.put(k, v)
	return v, nil
}

// all is a walk in a section of its own.
func (t *table[K, V]) all() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		s := t.dom.Enter()
		defer s.Leave()
		for i := range t.buckets {
			for e := range t.buckets[i].All(s) {
				if !yield(e.key, e.value) {
					return
				}
			}
		}
	}
}

// allIn is a walk in the caller's section.
func (t *table[K, V]) allIn(s smr.Section) iter.Seq[*entry[K, V]] {
	return func(yield func(*entry[K, V]) bool) {
		for i := range t.buckets {
			for e := range t.buckets[i].All(s) {
				if !yield(e) {
					return
				}
			}
		}
	}
}

func (t *table[K, V]) keys(less func(a, b K) int) (keys []K) {
	for k := range t.all() {
		keys = append(keys, k)
	}
	slices.SortFunc(keys, less)
	return keys
}

// oldest compares entries while they stay.
func (t *table[K, V]) oldest() (k K, found bool) {
	s := t.dom.Enter()
	defer s.Leave()
	var best *entry[K, V]
	for e := range t.allIn(s) {
		if best == nil || e.used.Before(best.used) {
			best = e
		}
	}
	if best == nil {
		return k, false
	}
	return best.key, true
}

// expire collects under the lock, frees after it, and lets readers go on.
func (t *table[K, V]) expire(before time.Time) int {
	var dead []*entry[K, V]
	t.mu.Lock()
	for i := range t.buckets {
		for c := t.buckets[i].Cursor(); c.Step(); {
			if c.Elem().used.Before(before) {
				dead = append(dead, c.Erase())
			} else {
				c.Next()
			}
		}
	}
	t.mu.Unlock()
	for _, e := range dead {
		smr.Call(t.dom, e, 64, func(*entry[K, V]) {})
	}
	return len(dead)
}

// sum leaves its section now and then in a long walk, and begins each bucket anew.
func sum[K comparable](t *table[K, int]) (n int) {
	s := t.dom.Enter()
	for i := range t.buckets {
		if i%64 == 63 {
			s.Leave()
			runtime.Gosched()
			s = t.dom.Enter()
		}
		for e := range t.buckets[i].All(s) {
			n += e.value
		}
	}
	s.Leave()
	return n
}

func maxKey[K cmp.Ordered, V any](t *table[K, V]) (k K, err error) {
	err = errors.New("empty")
	t.dom.Read(func(s smr.Section) {
		for e := range t.allIn(s) {
			if err != nil || e.key > k {
				k, err = e.key, nil
			}
		}
	})
	return k, err
}

// An lru moves what is used to the front of a queue; what it evicts is reused after a grace period.
type lru struct {
	dom   *smr.Domain
	mu    sync.Mutex
	order *smrq.TailQ[item]
	index map[string]*item
	pool  *slab.Pool[item]
	max   int
}

type item struct {
	key   [32]byte
	n     int
	value int
	link  smrq.Link[item]
}

func (l *lru) add(ctx context.Context, key string, value int) error {
	it, err := l.pool.Get()
	for errors.Is(err, slab.ErrNoMemory) {
		l.mu.Lock()
		l.evictLocked()
		l.mu.Unlock()
		if err := l.dom.Barrier(ctx); err != nil {
			return err
		}
		it, err = l.pool.Get()
	}
	if err != nil {
		return err
	}
	it.n, it.value = copy(it.key[:], key), value
	l.mu.Lock()
	defer l.mu.Unlock()
	if old, ok := l.index[key]; ok {
		l.order.Remove(old)
		l.pool.Retire(old)
	}
	l.index[key] = it
	l.order.InsertHead(it)
	if len(l.index) > l.max {
		l.evictLocked()
	}
	return nil
}

func (l *lru) evictLocked() {
	var last *item
	for it := range l.order.AllSerialized() {
		last = it
	}
	if last == nil {
		return
	}
	l.order.Remove(last)
	delete(l.index, string(last.key[:last.n]))
	l.pool.Retire(last)
}

func (l *lru) values() (all []int) {
	s := l.dom.Enter()
	defer s.Leave()
	for it := l.order.First(s); it != nil; it = l.order.Next(s, it) {
		all = append(all, it.value)
	}
	return all
}

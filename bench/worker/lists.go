package main

import (
	"container/list"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// Elements of all lists fill one cache line, and stand in the same random order.

type record struct {
	link smrq.Link[record]
	key  uint64
	_    [64 - unsafe.Sizeof(smrq.Link[smr.Domain]{}) - 8]byte
}

type plainRecord struct {
	next *plainRecord
	key  uint64
	_    [48]byte
}

// A queue is a list in use: walk is of n walks, rotate has a new element at the tail for
// the first one.
type queue struct {
	walk   func(n int) uint64
	rotate func()
	close  func()
}

// lists are the families of queues.
func lists() (all []entry) {
	add := func(peer string, make func(order []int) queue, rotates bool) {
		all = append(all, entry{"walk", peer, func(j job) (values, error) {
			q := make(order(j))
			defer q.end()
			return values{"ns": nsPerOp(j.procs, j.for_, walksAtOnce(j), q.walker)}, nil
		}})
		if !rotates {
			return
		}
		all = append(all, entry{"walk-beside", peer, func(j job) (values, error) {
			q := make(order(j))
			defer q.end()
			writer := inBackground(1, 1, func(int) (func(int), func()) {
				return func(int) { q.rotate() }, nil
			})
			ns := nsPerOp(max(1, j.procs-1), j.for_, walksAtOnce(j), q.walker)
			updates := writer.stop()
			return values{"ns": ns, "updates": float64(updates) / j.for_.Seconds()}, nil
		}})
	}
	if portable {
		add(self, newTailQ, true)
		return all
	}
	add("gosmr-TailQ", newTailQ, true)
	add("container/list+RWMutex", newLockedList, true)
	add("slice-copied", newCopiedSlice, true)
	add("plain-list", newPlainList, false)
	return all
}

func order(j job) []int { return rand.New(rand.NewPCG(j.seed, 1)).Perm(j.param) }

func walksAtOnce(j job) int { return max(1, batch/j.param) }

func (q queue) walker(int) (func(int), func()) {
	return func(n int) { sink.Store(q.walk(n)) }, nil
}

func (q queue) end() {
	if q.close != nil {
		q.close()
	}
}

func newTailQ(order []int) queue {
	dom := newDomain()
	pool := slab.New[record](dom, slab.Options{OffHeapLinks: true})
	q := smrq.NewTailQ(func(r *record) *smrq.Link[record] { return &r.link })
	all := make([]*record, len(order))
	for i := range all {
		all[i] = got(pool.Get())
		all[i].key = uint64(i)
	}
	for _, i := range order {
		q.InsertTail(all[i])
	}
	return queue{
		walk: func(n int) (sum uint64) {
			for range n {
				s := dom.Enter()
				for r := range q.All(s) {
					sum += r.key
				}
				s.Leave()
			}
			return sum
		},
		rotate: func() {
			old := q.FirstSerialized()
			fresh := got(pool.Get())
			fresh.key = old.key
			q.Remove(old)
			q.InsertTail(fresh)
			pool.Retire(old)
		},
		close: func() {
			for r := q.FirstSerialized(); r != nil; r = q.FirstSerialized() {
				q.Remove(r)
				pool.Retire(r)
			}
			must(pool.Close(background_))
			must(dom.Close(background_))
		},
	}
}

func newLockedList(order []int) queue {
	var mu sync.RWMutex
	l := list.New()
	all := make([]plainRecord, len(order))
	for _, i := range order {
		all[i].key = uint64(i)
		l.PushBack(&all[i])
	}
	return queue{
		walk: func(n int) (sum uint64) {
			for range n {
				mu.RLock()
				for e := l.Front(); e != nil; e = e.Next() {
					sum += e.Value.(*plainRecord).key
				}
				mu.RUnlock()
			}
			return sum
		},
		rotate: func() {
			fresh := new(plainRecord)
			mu.Lock()
			fresh.key = l.Remove(l.Front()).(*plainRecord).key
			l.PushBack(fresh)
			mu.Unlock()
		},
	}
}

// newCopiedSlice is copied for each change.
func newCopiedSlice(order []int) queue {
	var p atomic.Pointer[[]*plainRecord]
	all := make([]plainRecord, len(order))
	var s []*plainRecord
	for _, i := range order {
		all[i].key = uint64(i)
		s = append(s, &all[i])
	}
	p.Store(&s)
	return queue{
		walk: func(n int) (sum uint64) {
			for range n {
				for _, r := range *p.Load() {
					sum += r.key
				}
			}
			return sum
		},
		rotate: func() {
			old := *p.Load()
			s := append(slices.Clone(old[1:]), &plainRecord{key: old[0].key})
			p.Store(&s)
		},
	}
}

// newPlainList is what a walk costs where there is no writer.
func newPlainList(order []int) queue {
	all := make([]plainRecord, len(order))
	var head *plainRecord
	for _, i := range slices.Backward(order) {
		all[i] = plainRecord{next: head, key: uint64(i)}
		head = &all[i]
	}
	return queue{walk: func(n int) (sum uint64) {
		for range n {
			for r := head; r != nil; r = r.next {
				sum += r.key
			}
		}
		return sum
	}}
}

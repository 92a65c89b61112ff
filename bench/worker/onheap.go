package main

import (
	"sync/atomic"
)

// onHeap are the schemes that leave it to the collector, or count.
func onHeap() []scheme {
	return []scheme{
		// Sections cost nothing: the collector keeps what is loaded while a goroutine holds it,
		// and does not say when that ends.
		{"atomic.Pointer", func() *instance {
			var p atomic.Pointer[object]
			p.Store(new(object))
			return &instance{
				reader: func() *reader {
					return &reader{
						load: func(n int) (sum uint64) {
							for range n {
								sum += p.Load().number
							}
							return sum
						},
					}
				},
				update: func(number uint64) {
					o := new(object)
					o.fill(number)
					p.Store(o)
				},
			}
		}},
		{"refcount", func() *instance {
			c := newCounted()
			return &instance{
				reader: func() *reader {
					return &reader{
						empty: func(n int) {
							for range n {
								c.release(c.acquire())
							}
						},
						load: func(n int) (sum uint64) {
							for range n {
								o := c.acquire()
								sum += o.number
								c.release(o)
							}
							return sum
						},
					}
				},
				update: c.update,
			}
		}},
	}
}

// counted is a shared object with references counted in two places: how many were taken
// through the word that readers find it by, in that word, so that finding and counting are
// one instruction; how many were given back, in the object. Objects are reused, and
// collected never. (The two counts are known as differential; split reference counts.)
type counted struct {
	current atomic.Uint64 // index of the object << 40 | references taken
	free    atomic.Uint64 // first free object + 1, under a number against ABA
	all     []countedObject
}

type countedObject struct {
	object
	index    uint64
	balance  atomic.Int64 // taken, once that is known, less given back
	nextFree atomic.Uint64
	_        [5]uint64
}

const (
	indexShift = 40
	takenMask  = 1<<indexShift - 1
)

func newCounted() *counted {
	c := &counted{all: make([]countedObject, 1<<16)}
	for i := range c.all {
		c.all[i].index = uint64(i)
		if i > 0 {
			c.put(&c.all[i])
		}
	}
	return c
}

func (c *counted) acquire() *countedObject {
	return &c.all[c.current.Add(1)>>indexShift]
}

func (c *counted) release(o *countedObject) {
	if o.balance.Add(-1) == 0 {
		c.put(o)
	}
}

func (c *counted) update(number uint64) {
	o := c.get()
	o.balance.Store(0)
	o.fill(number)
	word := c.current.Swap(o.index << indexShift)
	old := &c.all[word>>indexShift]
	// Until now the balance was below 0 by what was given back. Whoever brings it to 0
	// is the last.
	if old.balance.Add(int64(word&takenMask)) == 0 {
		c.put(old)
	}
}

func (c *counted) put(o *countedObject) {
	for {
		head := c.free.Load()
		o.nextFree.Store(head & (1<<32 - 1))
		if c.free.CompareAndSwap(head, (head>>32+1)<<32|(o.index+1)) {
			return
		}
	}
}

func (c *counted) get() *countedObject {
	for {
		head := c.free.Load()
		o := &c.all[head&(1<<32-1)-1]
		if c.free.CompareAndSwap(head, (head>>32+1)<<32|o.nextFree.Load()) {
			return o
		}
	}
}

package slab

import (
	"unsafe"

	"github.com/gosmr/gosmr/smr"
)

// A magazine holds free objects, or retired ones. It belongs to one holder at a time: a
// processor's cache, the depot, or the goroutine that moves it between them.
type magazine struct {
	n    int
	objs [magazineCap]unsafe.Pointer // [n:] are stale
	next *magazine                   // in a list of the depot; in waiting, the newer one
	prev *magazine                   // in depot.waiting, the older one

	// goal is that of retired objects: no reader can hold them once it is reached. Written
	// before the magazine is pushed to depot.arrived.
	goal smr.Seq
}

const (
	magazineCap = 128
	// magazineBytes bounds the bytes in a magazine, unless one object is larger.
	magazineBytes = 64 << 10
)

// push puts an object into a magazine that is not full; pop takes one out of a magazine that is
// not empty.
func (m *magazine) push(p unsafe.Pointer) {
	m.objs[m.n] = p
	m.n++
}

func (m *magazine) pop() unsafe.Pointer {
	m.n--
	return m.objs[m.n]
}

type magazineStack struct {
	top *magazine
	n   int
}

func (l *magazineStack) push(m *magazine) {
	m.next, l.top = l.top, m
	l.n++
}

// pop returns nil if there is none.
func (l *magazineStack) pop() *magazine {
	m := l.top
	if m != nil {
		l.top, m.next = m.next, nil
		l.n--
	}
	return m
}

// A waitList is a queue of magazines of retired objects in the order of their goals.
type waitList struct {
	oldest, newest *magazine
	n              int
}

// insert puts m behind the magazines whose goals are not after its own. That is at the end or
// near it: few magazines arrive at a time, since each retire takes them in.
func (l *waitList) insert(m *magazine) {
	after := l.newest
	for after != nil && m.goal.Before(after.goal) {
		after = after.prev
	}
	m.prev = after
	if after != nil {
		m.next, after.next = after.next, m
	} else {
		m.next, l.oldest = l.oldest, m
	}
	if m.next != nil {
		m.next.prev = m
	} else {
		l.newest = m
	}
	l.n++
}

// pop removes the oldest magazine of a list that is not empty.
func (l *waitList) pop() *magazine {
	m := l.oldest
	if l.oldest = m.next; l.oldest != nil {
		l.oldest.prev = nil
	} else {
		l.newest = nil
	}
	m.next = nil
	l.n--
	return m
}

// Package queuetest runs programs on smrq's queues and compares each state with a model. The tests
// of smrq draw programs at random; FuzzQueues evolves them.
package queuetest

import (
	"iter"
	"unsafe"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// An Elem is an element of a queue. Its Link is neither its first field nor its last.
type Elem struct {
	Key  int
	Link smrq.Link[Elem]
	Tag  uint64
}

func link(e *Elem) *smrq.Link[Elem] { return &e.Link }

// A Queue is any kind of queue.
type Queue interface {
	Init()
	Empty() bool
	First(smr.Section) *Elem
	Next(smr.Section, *Elem) *Elem
	All(smr.Section) iter.Seq[*Elem]
	FirstSerialized() *Elem
	NextSerialized(*Elem) *Elem
	AllSerialized() iter.Seq[*Elem]
	InsertHead(*Elem)
	InsertAfter(at, e *Elem)
	InsertHeadRelaxed(*Elem)
	InsertAfterRelaxed(at, e *Elem)
	Remove(*Elem)
	Replace(old, e *Elem)
	Cursor() smrq.Cursor[Elem]
	GuardedBy(smrq.TryLocker)
	Verify() error

	AppendFrom(Queue)
	Unpublish()
	SplitInto(into Queue, pick func(*Elem) bool) smrq.Split[Elem]
}

// A Tailed queue has a tail.
type Tailed interface {
	Queue
	InsertTail(*Elem)
	InsertTailRelaxed(*Elem)
	LastSerialized() *Elem
	Header() unsafe.Pointer // the queue itself, for tests that damage it
}

type (
	slist  struct{ *smrq.SList[Elem] }
	list   struct{ *smrq.List[Elem] }
	stailq struct{ *smrq.STailQ[Elem] }
	tailq  struct{ *smrq.TailQ[Elem] }
)

func (q slist) AppendFrom(src Queue)  { q.Append(src.(slist).SList) }
func (q list) AppendFrom(src Queue)   { q.Append(src.(list).List) }
func (q stailq) AppendFrom(src Queue) { q.Append(src.(stailq).STailQ) }
func (q tailq) AppendFrom(src Queue)  { q.Append(src.(tailq).TailQ) }

func (q slist) SplitInto(into Queue, pick func(*Elem) bool) smrq.Split[Elem] {
	return q.Split(into.(slist).SList, pick)
}
func (q list) SplitInto(into Queue, pick func(*Elem) bool) smrq.Split[Elem] {
	return q.Split(into.(list).List, pick)
}
func (q stailq) SplitInto(into Queue, pick func(*Elem) bool) smrq.Split[Elem] {
	return q.Split(into.(stailq).STailQ, pick)
}
func (q tailq) SplitInto(into Queue, pick func(*Elem) bool) smrq.Split[Elem] {
	return q.Split(into.(tailq).TailQ, pick)
}

func (q stailq) Header() unsafe.Pointer { return unsafe.Pointer(q.STailQ) }
func (q tailq) Header() unsafe.Pointer  { return unsafe.Pointer(q.TailQ) }

// A Kind makes queues of one kind.
type Kind struct {
	Name string
	New  func() Queue
}

// Kinds are the four kinds of queue.
var Kinds = []Kind{
	{"SList", func() Queue { return slist{smrq.NewSList(link)} }},
	{"List", func() Queue { return list{smrq.NewList(link)} }},
	{"STailQ", func() Queue { return stailq{smrq.NewSTailQ(link)} }},
	{"TailQ", func() Queue { return tailq{smrq.NewTailQ(link)} }},
}

// OnHeap returns n elements on the Go heap.
func OnHeap(n int) []*Elem {
	all := make([]*Elem, n)
	for i := range all {
		all[i] = &Elem{Key: i}
	}
	return all
}

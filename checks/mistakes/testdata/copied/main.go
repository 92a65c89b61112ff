// The program copies what must not be copied.
package main

import (
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

type table struct {
	current smr.Pointer[int]
	link    smrq.Link[table]
}

func newQueue() smrq.TailQ[table] {
	return *smrq.NewTailQ(func(t *table) *smrq.Link[table] { return &t.link })
}

func main() {
	var t table
	t.current.Init(new(int))
	copied := t // both lead to the object
	println(copied.current.LoadUnsafe())

	q := newQueue()
	q.InsertTail(&t)
	other := q // the two disagree from now on
	other.Init()

	m, _ := smrmap.New[int, int](smrmap.Options{})
	mine := *m
	mine.Len()

	dom, _ := smr.New(smr.Options{})
	twin := *dom
	twin.Enter().Leave()
	r, loop := dom.NewReader(), dom.NewQuiescent(nil)
	r2, loop2 := *r, *loop
	r2.Close()
	loop2.Close()

	p, b := slab.New[int](dom, slab.Options{}), slab.NewBlocks(dom, slab.Options{})
	p2, b2 := *p, *b
	p2.Stats()
	b2.Stats()
}

package coming_from

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

type Table struct {
	name string
	data []byte
}

func (t *Table) Size() int { return 8 }
func (t *Table) Unmap()    { fmt.Println("unmap", t.name) }

type Row struct{ Price int }

func use(t *Table)     { fmt.Println("use", t.name) }
func leak(*Table)      {}
func unmap(b []byte)   {}
func sell(price int)   { fmt.Println("sell at", price) }
func barrier()         { fmt.Println(dom.Barrier(context.Background())) }
func next(name string) { current.Store(&Table{name: name}) }

var (
	dom, _  = smr.New(smr.Options{Name: "tables"})
	current smr.Pointer[Table]
	ctx     = context.Background()
)

func Run() {
	lockBefore(&Table{name: "a"}, &Table{name: "b"})
	next("c")
	lockAfter(&Table{name: "d"})
	pointerBefore(&Table{name: "e"})
	next("f")
	pointerAfter(&Table{name: "g"})
	mapBefore(1)
	mapAfter(1)
	t := &Counted{Table: Table{name: "h"}}
	fmt.Println(t.TryAcquire())
	t.refs.Store(1)
	fmt.Println(t.TryAcquire())
	t.Release()
	t.Release()
	next("i")
	countAfter()
	cleanupBefore(&Table{name: "j"})
	cleanupAfter(&Table{name: "k"})
}

func lockBefore(table, fresh *Table) {
	var mu sync.RWMutex

	// block 1
}

func lockAfter(fresh *Table) {
	var mu sync.Mutex

	// block 2

	barrier()
}

func pointerBefore(fresh *Table) {
	var table atomic.Pointer[Table]
	table.Store(fresh)

	// block 3
}

func pointerAfter(fresh *Table) {
	// block 4

	barrier()
}

func mapBefore(id uint64) {
	// block 5
}

func mapAfter(id uint64) {
	// block 6

	fmt.Println(err, prices.Close(ctx))
}

type Counted struct {
	Table
	refs atomic.Int32
}

// block 7

func countAfter() {
	// block 8
}

func cleanupBefore(table *Table) {
	// block 9
}

func cleanupAfter(table *Table) {
	// block 10

	fmt.Println(err)
}

// Output:
// use a
// unmap a
// use c
// unmap c
// <nil>
// use e
// use f
// unmap f
// <nil>
// sell at 995
// sell at 995
// <nil> <nil>
// false
// true
// unmap h
// use i
// unmap k
// <nil>

package slab_test

import (
	"context"
	"errors"
	"fmt"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

func ExamplePool() {
	type node struct{ key, value uint64 }
	dom, err := smr.New(smr.Options{Name: "nodes"})
	if err != nil {
		panic(err)
	}
	pool := slab.New[node](dom, slab.Options{})
	var current smr.Pointer[node]

	n, err := pool.Get()
	if err != nil {
		panic(err)
	}
	*n = node{1, 2}
	current.Store(n) // readers find it from here on

	next, err := pool.Get()
	if err != nil {
		panic(err)
	}
	*next = node{1, 3}
	old := current.LoadSerialized()
	current.Store(next)
	pool.Retire(old) // used again when no reader can hold it

	fmt.Println(pool.OffHeap(), pool.Stats().InUse)
	pool.Retire(next)
	fmt.Println(pool.Close(context.Background()))
	dom.Close(context.Background())
	// Output:
	// true 1
	// <nil>
}

func ExampleBudget() {
	budget := slab.NewBudget(1 << 20)
	blocks := slab.NewBlocks(smr.Default(), slab.Options{Budget: budget})
	block, err := blocks.Get(100)
	fmt.Println(len(block), cap(block), err)
	_, err = blocks.Get(10 << 20)
	fmt.Println(errors.Is(err, slab.ErrNoMemory))
	blocks.Free(block)
	fmt.Println(blocks.Close(context.Background()), budget.Used())
	// Output:
	// 100 112 <nil>
	// true
	// <nil> 0
}

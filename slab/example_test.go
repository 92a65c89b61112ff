package slab_test

import (
	"context"
	"errors"
	"fmt"
	"time"

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

// Blocks are bytes of any length; readers in a section may have one after it was retired.
func ExampleBlocks() {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	blocks := slab.NewBlocks(dom, slab.Options{})
	block, err := blocks.Get(5)
	if err != nil {
		panic(err)
	}
	copy(block, "hello")
	s := dom.Enter()
	blocks.Retire(block)            // unlinked before, in a real program
	fmt.Printf("%s\n", block)       // valid until Leave
	s.Leave()                       // from here on its memory may be another block's
	fmt.Println(slab.BlockSize(17)) // sizes are rounded up
	fmt.Println(blocks.Close(context.Background()))
	// Output:
	// hello
	// 32
	// <nil>
}

// A writer that replaces an object takes the new one and retires the old one under one pin.
func ExampleLocal() {
	type node struct{ value int }
	pool := slab.New[node](smr.Default(), slab.Options{})
	var current smr.Pointer[node]
	replace := func(value int) error {
		old := current.LoadSerialized()
		local := pool.Pin() // no blocking, and no panic, until Unpin
		if n := local.Swap(old); n != nil {
			n.value = value
			current.Store(n)
			local.Unpin()
			return nil
		}
		local.Unpin() // this processor has no free object, or no room for one more
		n, err := pool.Get()
		if err != nil {
			return err
		}
		n.value = value
		current.Store(n)
		if old != nil {
			pool.Retire(old)
		}
		return nil
	}
	for i := range 1000 {
		if err := replace(i); err != nil {
			panic(err)
		}
	}
	last := current.Swap(nil)
	fmt.Println(last.value, pool.Stats().InUse)
	pool.Retire(last)
	fmt.Println(pool.Close(context.Background()))
	// Output:
	// 999 1
	// <nil>
}

// What a pool has given out, and what waits for readers.
func ExampleStats() {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	pool := slab.New[[16]byte](dom, slab.Options{Name: "ids"})
	a, err := pool.Get()
	if err != nil {
		panic(err)
	}
	b, err := pool.Get()
	if err != nil {
		panic(err)
	}
	s := dom.Enter()
	pool.Retire(a)
	st := pool.Stats()
	fmt.Println(st.Name, st.Gets, st.InUse, st.Pending)
	s.Leave()
	pool.Free(b)
	fmt.Println(pool.Close(context.Background()), pool.Stats().ReservedBytes)
	// Output:
	// ids 2 1 1
	// <nil> 0
}

// Types with pointers are on the Go heap; links that lead to objects of pools only do not count.
func ExampleOptions() {
	type node struct {
		key  uint64
		next smr.Pointer[node] // to another object of the pool, never to the Go heap
	}
	onHeap := slab.New[node](smr.Default(), slab.Options{})
	offHeap := slab.New[node](smr.Default(), slab.Options{Name: "nodes", OffHeapLinks: true})
	fmt.Println(onHeap.OffHeap(), offHeap.OffHeap())

	n, err := offHeap.Get()
	if err != nil {
		panic(err)
	}
	n.key = 7
	n.next.Init(n)
	fmt.Println(n.next.LoadUnserialized().key)
	offHeap.Free(n)
	fmt.Println(onHeap.Close(context.Background()), offHeap.Close(context.Background()))
	// Output:
	// false true
	// 7
	// <nil> <nil>
}

// Objects that are sampled lie alone in pages of their own, which fault when they are touched after
// their end. Here each is; in production one in a thousand, say, which costs the others nothing.
func ExampleQuarantine() {
	pool := slab.New[[64]byte](smr.Default(), slab.Options{
		Quarantine:  slab.Quarantine{OneIn: 1, For: 10 * time.Minute},
		PrivateFree: true, // no reader can hold what is freed, so it faults at once
	})
	obj, err := pool.Get()
	if err != nil {
		panic(err)
	}
	obj[0] = 1
	pool.Free(obj)
	fmt.Println(pool.Stats().Quarantined)
	fmt.Println(pool.Close(context.Background()))
	// Output:
	// 1
	// <nil>
}

package smrmap_test

import (
	"context"
	"fmt"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

func ExampleMap() {
	type point struct{ x, y int32 }
	m, err := smrmap.New[uint64, point](smrmap.Options{})
	if err != nil {
		panic(err)
	}
	m.Store(7, point{1, 2})
	p, ok := m.Load(7)
	fmt.Println(p, ok)

	// Two writers that compute follow one another.
	p, _, _ = m.Compute(7, func(old point, loaded bool) (point, smrmap.Op) {
		return point{old.x + 10, old.y}, smrmap.UpdateOp
	})
	fmt.Println(p, m.Len())
	fmt.Println(m.Delete(7), m.Len())
	// Output:
	// {1 2} true
	// {11 2} 1
	// true 0
}

func ExampleBytes() {
	dom, err := smr.New(smr.Options{Name: "cache"})
	if err != nil {
		panic(err)
	}
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom, Budget: slab.NewBudget(64 << 20)})
	if err != nil {
		panic(err)
	}
	in := time.Now().Add(time.Hour)
	if err := m.StoreItem([]byte("page"), smrmap.Item{Value: []byte("<html>"), Expires: in.UnixMilli()}); err != nil {
		panic(err) // errors.Is(err, slab.ErrNoMemory): Evict, wait for dom.Barrier, try again
	}
	dom.Read(func(s smr.Section) {
		item, ok := m.LoadIn(s, []byte("page")) // borrowed until the function returns
		fmt.Printf("%s %v\n", item.Value, ok)
	})
	fmt.Println(m.Close(context.Background()), dom.Close(context.Background()))
	// Output:
	// <html> true
	// <nil> <nil>
}

func ExampleBytes_Scan() {
	m, err := smrmap.NewBytes(smrmap.Options{})
	if err != nil {
		panic(err)
	}
	for i := range 100 {
		m.Store(fmt.Appendf(nil, "key:%d", i), nil)
	}
	// A few at a time; what is there all the while is seen once, also if the map grows.
	n := 0
	for cursor := uint64(0); ; {
		cursor = m.Scan(cursor, 10, func(key []byte, item smrmap.Item) { n++ })
		if cursor == 0 {
			break
		}
	}
	fmt.Println(n)
	// Output: 100
}

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

// A session owns what the collector does not free. So it is closed when no reader can hold it.
type session struct{ name string }

func (s *session) close() { fmt.Println("closed", s.name) }

// The map hands out pointers: only a section of the domain that closes the sessions protects them. A
// Load outside one would return a *session that may be closed at any moment. (If copies do, let V be a
// struct of what readers need, and use Load.)
func ExampleMap_LoadIn() {
	dom, err := smr.New(smr.Options{Name: "sessions"})
	if err != nil {
		panic(err)
	}
	m, err := smrmap.New[int, *session](smrmap.Options{Domain: dom})
	if err != nil {
		panic(err)
	}
	if err := m.Store(1, &session{"first"}); err != nil {
		panic(err)
	}

	s := m.Enter()
	p, ok := m.LoadIn(s, 1)
	fmt.Println((*p).name, ok) // *p is open until Leave
	old, _ := m.LoadAndDelete(1)
	smr.Call(m.Domain(), old, 0, (*session).close) // not while a section may have found it
	fmt.Println((*p).name)
	s.Leave()

	fmt.Println(m.Close(context.Background()), dom.Close(context.Background()))
	// Output:
	// first true
	// first
	// closed first
	// <nil> <nil>
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
	ok := m.View([]byte("page"), func(item smrmap.Item) { // borrowed until the function returns
		fmt.Printf("%s\n", item.Value)
	})
	fmt.Println(ok)
	fmt.Println(m.Close(context.Background()), dom.Close(context.Background()))
	// Output:
	// <html>
	// true
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

// A slow connection gets an item from where it lies, long after its section, and after its end.
func ExampleBytes_Hold() {
	dom, err := smr.New(smr.Options{})
	if err != nil {
		panic(err)
	}
	m, err := smrmap.NewBytes(smrmap.Options{Domain: dom})
	if err != nil {
		panic(err)
	}
	m.Store([]byte("page"), []byte("<html>"))

	s := m.Enter()
	h, ok := m.Hold(s, []byte("page"))
	s.Leave()
	m.Delete([]byte("page"))
	if ok {
		fmt.Printf("%s\n", h.Get().Value)
		h.Release()
	}
	fmt.Println(m.Close(context.Background()))
	// Output:
	// <html>
	// <nil>
}

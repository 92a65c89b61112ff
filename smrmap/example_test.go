package smrmap_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
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

// What a request needs is loaded together: in a large map the cache misses overlap.
func ExampleMap_LoadAll() {
	m, err := smrmap.New[string, int](smrmap.Options{})
	if err != nil {
		panic(err)
	}
	stored, err := m.StoreAll([]string{"apples", "pears", "plums"}, []int{3, 5, 8})
	fmt.Println(stored, err)

	keys := []string{"plums", "cherries", "apples"}
	values, found := make([]int, len(keys)), make([]bool, len(keys)) // to be used again
	fmt.Println(m.LoadAll(keys, values, found), values, found)
	// Output:
	// 3 <nil>
	// 2 [8 0 3] [true false true]
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
		panic(err) // with a Budget StoreEvicting makes room
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
func ExampleDraft() {
	m, err := smrmap.NewBytes(smrmap.Options{})
	if err != nil {
		panic(err)
	}
	body := strings.NewReader("a body that arrives bit by bit")
	d, err := m.Draft([]byte("key"), body.Len())
	if err != nil {
		panic(err)
	}
	defer d.Discard()
	if _, err := io.ReadFull(body, d.Value()); err != nil {
		panic(err) // the map is as it was
	}
	if err := d.Store(0); err != nil {
		panic(err)
	}
	value, _ := m.Load([]byte("key"), nil)
	fmt.Printf("%s\n", value)
	// Output: a body that arrives bit by bit
}

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

// A map that a budget bounds: what has no room is an error, and the map is as it was.
func ExampleOptions() {
	m, err := smrmap.New[uint64, [1000]byte](smrmap.Options{Budget: slab.NewBudget(1 << 20)})
	if err != nil {
		panic(err)
	}
	for i := range uint64(2000) {
		if err := m.Store(i, [1000]byte{}); err != nil {
			_, ok := m.Load(i)
			fmt.Println(errors.Is(err, slab.ErrNoMemory), ok, m.Len() > 0)
			break
		}
	}
	fmt.Println(m.Close(context.Background()))
	// Output:
	// true false true
	// <nil>
}

// What a function given to Compute asks for.
func ExampleOp() {
	m, err := smrmap.New[string, int](smrmap.Options{})
	if err != nil {
		panic(err)
	}
	release := func(old int, loaded bool) (int, smrmap.Op) {
		switch {
		case !loaded:
			return 0, smrmap.CancelOp
		case old == 1:
			return 0, smrmap.DeleteOp
		}
		return old - 1, smrmap.UpdateOp
	}
	m.Store("seats", 2)
	for range 3 {
		seats, ok, err := m.Compute("seats", release)
		fmt.Println(seats, ok, err)
	}
	// Output:
	// 1 true <nil>
	// 0 false <nil>
	// 0 false <nil>
}

// Items expire by the map's clock.
func ExampleItem() {
	now := time.Unix(1000, 0)
	m, err := smrmap.NewBytes(smrmap.Options{Now: func() time.Time { return now }})
	if err != nil {
		panic(err)
	}
	soon := now.Add(time.Minute).UnixMilli()
	m.StoreItem([]byte("token"), smrmap.Item{Value: []byte("abc"), Expires: soon})
	_, ok := m.Load([]byte("token"), nil)
	fmt.Println(ok)
	now = now.Add(2 * time.Minute)
	_, ok = m.Load([]byte("token"), nil)
	fmt.Println(ok)
	// Output:
	// true
	// false
}

// What has expired is not found, and its memory is free once a writer or a Sweep has met it.
func ExampleSwept() {
	now := time.Unix(1000, 0)
	m, err := smrmap.NewBytes(smrmap.Options{Now: func() time.Time { return now }})
	if err != nil {
		panic(err)
	}
	for i := range 100 {
		m.StoreItem(fmt.Appendf(nil, "key:%d", i), smrmap.Item{Expires: now.Add(time.Duration(i) * time.Minute).UnixMilli()})
	}
	now = now.Add(30*time.Minute + time.Second)
	removed := 0
	for cursor, more := uint64(0), true; more; more = cursor != 0 {
		did := m.Sweep(cursor, 10) // a few at a time
		removed += did.Removed
		cursor = did.Next
	}
	fmt.Println(removed, m.Len())
	// Output: 31 69
}

// What may be evicted: here what expires anyway.
func ExampleEvictable() {
	m, err := smrmap.NewBytes(smrmap.Options{})
	if err != nil {
		panic(err)
	}
	m.SetEvictable(smrmap.EvictExpiring)
	m.Store([]byte("forever"), []byte("a"))
	m.StoreItem([]byte("for an hour"), smrmap.Item{Value: []byte("b"), Expires: time.Now().Add(time.Hour).UnixMilli()})
	m.EvictBytes(1 << 20)
	for key := range m.Keys() {
		fmt.Printf("%s\n", key)
	}
	// Output: forever
}

func ExampleStats() {
	m, err := smrmap.New[uint64, uint64](smrmap.Options{Capacity: 1000})
	if err != nil {
		panic(err)
	}
	for i := range uint64(1000) {
		m.Store(i, i)
	}
	st := m.Stats()
	fmt.Println(st.Len, st.Resizes, st.EntryBytes <= st.ReservedBytes)
	// Output: 1000 0 true
}

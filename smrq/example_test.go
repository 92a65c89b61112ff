package smrq_test

import (
	"context"
	"fmt"
	"sync"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

type subscriber struct {
	name string
	link smrq.Link[subscriber]
}

func subscriberLink(s *subscriber) *smrq.Link[subscriber] { return &s.link }

func (s *subscriber) close() { fmt.Println("closed", s.name) }

// A list of subscribers: publishing walks it without a lock, as often as it likes,
// while subscribers come and go. One that is unsubscribed is closed once no
// publisher can be delivering to it any more.
func Example_subscribers() {
	dom, err := smr.New(smr.Options{Name: "subscribers"})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex // writers
	list := smrq.NewList(subscriberLink)
	list.GuardedBy(&mu)

	subscribe := func(name string) *subscriber {
		s := &subscriber{name: name}
		mu.Lock()
		defer mu.Unlock()
		list.InsertHead(s)
		return s
	}
	unsubscribe := func(s *subscriber) {
		mu.Lock()
		list.Remove(s)
		mu.Unlock()
		smr.Call(dom, s, 64, (*subscriber).close)
	}
	publish := func(message string) {
		section := dom.Enter()
		defer section.Leave()
		for s := range list.All(section) {
			fmt.Println(s.name, "gets", message)
		}
	}

	ann := subscribe("ann")
	subscribe("bob")
	publish("m1")
	unsubscribe(ann)
	publish("m2")
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// bob gets m1
	// ann gets m1
	// bob gets m2
	// closed ann
}

type page struct {
	number int
	link   smrq.Link[page]
}

// cache is like an LRU: pages stand in the order of their last use, and the one
// that was used longest ago goes.
type cache struct {
	dom   *smr.Domain
	mu    sync.Mutex
	order *smrq.TailQ[page]
}

// use moves a page to the tail. Readers that stand on it go there with it, so
// that a walk may miss pages; it is safe for it to do so.
func (c *cache) use(p *page) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.order.Remove(p)
	c.order.InsertTail(p)
}

func (c *cache) evict() {
	c.mu.Lock()
	p := c.order.FirstSerialized()
	if p != nil {
		c.order.Remove(p)
	}
	c.mu.Unlock()
	if p == nil {
		return
	}
	smr.Call(c.dom, p, 4096, func(p *page) { fmt.Println("unmapped page", p.number) })
}

// An LRU-like cache: writers reorder it on each use, while a reader lists it.
func Example_lru() {
	dom, err := smr.New(smr.Options{Name: "cache"})
	if err != nil {
		panic(err)
	}
	c := &cache{dom: dom, order: smrq.NewTailQ(func(p *page) *smrq.Link[page] { return &p.link })}
	pages := make([]*page, 4)
	for i := range pages {
		pages[i] = &page{number: i}
		c.order.InsertTailRelaxed(pages[i]) // nobody can see the cache yet
	}
	c.use(pages[0])
	c.use(pages[2])
	c.evict()

	dom.Read(func(s smr.Section) {
		for p := range c.order.All(s) {
			fmt.Println("page", p.number)
		}
	})
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// page 3
	// page 0
	// page 2
	// unmapped page 1
}

type route struct {
	prefix  string
	gateway string
	link    smrq.Link[route]
}

// An element is replaced in place: a reader finds the old route or the new one,
// and never neither. Neither is ever changed while readers can see it.
func ExampleTailQ_Replace() {
	dom, err := smr.New(smr.Options{Name: "routes"})
	if err != nil {
		panic(err)
	}
	var mu sync.Mutex // writers
	routes := smrq.NewTailQ(func(r *route) *smrq.Link[route] { return &r.link })
	old := &route{prefix: "10.0.0.0/8", gateway: "a"}
	mu.Lock()
	routes.InsertTail(old)
	routes.InsertTail(&route{prefix: "0.0.0.0/0", gateway: "b"})
	mu.Unlock()

	mu.Lock()
	routes.Replace(old, &route{prefix: old.prefix, gateway: "c"})
	mu.Unlock()
	smr.Call(dom, old, 64, func(r *route) { fmt.Println("freed the route by", r.gateway) })

	s := dom.Enter()
	for r := range routes.All(s) {
		fmt.Println(r.prefix, r.gateway)
	}
	s.Leave()
	if err := dom.Close(context.Background()); err != nil {
		panic(err)
	}
	// Output:
	// 10.0.0.0/8 c
	// 0.0.0.0/0 b
	// freed the route by a
}

// A cursor takes elements out as it goes, also where links lead forward only.
func ExampleCursor() {
	q := smrq.NewSList(subscriberLink)
	for _, name := range []string{"ann", "bob", "cyd"} {
		q.InsertHead(&subscriber{name: name})
	}
	for c := q.Cursor(); c.Step(); {
		if c.Elem().name == "bob" {
			c.Erase().close()
		} else {
			c.Next()
		}
	}
	for s := range q.AllSerialized() {
		fmt.Println(s.name)
	}
	// Output:
	// closed bob
	// cyd
	// ann
}

// An element is in two queues at once, by a Link for each.
func ExampleLink() {
	type job struct {
		name        string
		all, urgent smrq.Link[job]
	}
	all := smrq.NewTailQ(func(j *job) *smrq.Link[job] { return &j.all })
	urgent := smrq.NewTailQ(func(j *job) *smrq.Link[job] { return &j.urgent })
	backup, repair := &job{name: "backup"}, &job{name: "repair"}
	all.InsertTail(backup)
	all.InsertTail(repair)
	urgent.InsertTail(repair)

	all.Remove(repair)
	fmt.Println(repair.all.Linked(), repair.urgent.Linked())
	// Output: false true
}

// An SList has forward links only: a stack.
func ExampleSList() {
	stack := smrq.NewSList(subscriberLink)
	stack.InsertHead(&subscriber{name: "ann"})
	stack.InsertHead(&subscriber{name: "bob"})
	smr.Default().Read(func(s smr.Section) {
		for e := range stack.All(s) {
			fmt.Println(e.name)
		}
	})
	// Output:
	// bob
	// ann
}

// A List removes an element from its middle without a walk.
func ExampleList() {
	list := smrq.NewList(subscriberLink)
	ann, bob := &subscriber{name: "ann"}, &subscriber{name: "bob"}
	list.InsertHead(ann)
	list.InsertAfter(ann, bob)
	list.Remove(ann) // readers at ann go on to bob
	fmt.Println(list.FirstSerialized().name, list.Verify())
	// Output: bob <nil>
}

// An STailQ is first in, first out.
func ExampleSTailQ() {
	fifo := smrq.NewSTailQ(subscriberLink)
	for _, name := range []string{"ann", "bob", "cyd"} {
		fifo.InsertTail(&subscriber{name: name})
	}
	first := fifo.FirstSerialized()
	fifo.Remove(first) // of the first, O(1)
	fmt.Println(first.name, fifo.FirstSerialized().name)
	// Output: ann bob
}

// A queue is divided while readers walk it: none misses what stays.
func ExampleSplit() {
	dom := smr.Default()
	var low, high smrq.SList[page]
	link := func(p *page) *smrq.Link[page] { return &p.link }
	low.InitWith(link)
	high.InitWith(link)
	for _, n := range []int{40, 30, 20, 10} {
		low.InsertHead(&page{number: n})
	}

	split := low.Split(&high, func(p *page) bool { return p.number > 20 })
	for split.Step(dom) { // from here on readers find what was picked by high
		if err := dom.Synchronize(context.Background()); err != nil {
			panic(err)
		}
	}
	dom.Read(func(s smr.Section) {
		for p := range low.All(s) {
			fmt.Println("low", p.number)
		}
		for p := range high.All(s) {
			fmt.Println("high", p.number)
		}
	})
	// Output:
	// low 10
	// low 20
	// high 30
	// high 40
}

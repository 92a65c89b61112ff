package mistakes

import (
	"runtime"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smrmap"
)

// What is used after its end, and values of which there must be one.

func domainAfterClose() {
	dom := quiet("tables")
	check(dom.Close(ctx))
	dom.Enter() // a request that comes late
	unnoticed("a section of a closed domain")
}

func mapAfterClose() {
	m := must(smrmap.New[uint64, record](smrmap.Options{Domain: quiet("rows")}))
	check(m.Store(1, record{good}))
	check(m.Close(ctx))
	if err := m.Store(1, record{fresh}); err != nil {
		told(err)
	}
	v, ok := m.Load(1)
	unnoticed("the map goes on: %#x, %v", v.value, ok)
}

func poolAfterClose() {
	pool := slab.New[record](quiet("nodes"), slab.Options{Name: "nodes"})
	check(pool.Close(ctx))
	_, err := pool.Get()
	told(err)
}

func poolObjectAfterClose() {
	dom := quiet("nodes")
	pool := slab.New[record](dom, slab.Options{Name: "nodes"})
	v := must(pool.Get())
	v.value = good
	pool.Retire(v)
	check(pool.Close(ctx))
	if v.value == good {
		unnoticed("the object is as it was, in memory that is not the pool's any more")
	}
	read(&v.value)
}

func goalOfAnotherDomain() {
	tables, index := quiet("tables"), quiet("index")
	tables.Advance()
	tables.Advance()
	goal := tables.Advance()
	if index.Poll(goal) {
		end("bug: ", "it is reached")
	}
	told(index.Wait(ctx, goal))
}

func goPointerByUnsafe() {
	dom := quiet("nodes")
	pool := slab.New[struct{ next uintptr }](dom, slab.Options{Name: "nodes"})
	n := must(pool.Get())
	collected := make(chan struct{})
	func() {
		r := &[64]uint64{good}
		runtime.AddCleanup(r, func(c chan struct{}) { close(c) }, collected)
		*(**[64]uint64)(unsafe.Pointer(&n.next)) = r
	}()
	for {
		runtime.GC()
		select {
		case <-collected:
			unnoticed("the collector freed what the object at %p leads to", n)
		default:
		}
	}
}

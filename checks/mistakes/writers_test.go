package mistakes

import (
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// Writers: calls, retiring, and the lock that is theirs to hold.

func callBeforeUnlink() {
	dom := quiet("tables")
	var p smr.Pointer[record]
	p.Init(&record{good})
	old := p.LoadSerialized()
	smr.Call(dom, old, 8, (*record).free)
	overwritten(&old.value, good) // the writer is slow, or was preempted
	elsewhere(func() {            // a reader that comes meanwhile
		s := dom.Enter()
		defer s.Leave()
		read(&p.Load(s).value)
	})
	p.Store(&record{fresh})
}

// A counted object counts how often it is freed.
type counted struct{ frees atomic.Int32 }

func (c *counted) free() { c.frees.Add(1) }

func callTwice() {
	dom := quiet("tables")
	c := new(counted)
	s := dom.Enter() // so that the first callback does not begin before the second Call
	smr.Call(dom, c, 8, (*counted).free)
	smr.Call(dom, c, 8, (*counted).free)
	s.Leave()
	check(dom.Barrier(ctx))
	unnoticed("it was freed %d times", c.frees.Load())
}

// given reports the first object that a pool gives out twice.
func given(pool *slab.Pool[record]) {
	seen := make(map[*record]bool)
	for range 1 << 12 {
		obj := must(pool.Get())
		if seen[obj] {
			unnoticed("one object was given out to two users")
		}
		seen[obj] = true
	}
	end("bug: ", "no object was given out twice")
}

func callAndFree() {
	runtime.GOMAXPROCS(1) // one cache
	dom := quiet("nodes")
	pool := slab.New[record](dom, slab.Options{Name: "nodes"})
	obj := must(pool.Get())
	s := dom.Enter() // so that the callback does not begin before Free
	smr.Call(dom, obj, 8, pool.Free)
	pool.Free(obj)
	s.Leave()
	check(dom.Barrier(ctx))
	given(pool)
}

func retireTwice() {
	runtime.GOMAXPROCS(1)
	dom := quiet("nodes")
	pool := slab.New[record](dom, slab.Options{Name: "nodes"})
	obj := must(pool.Get())
	reader := dom.Enter() // or Trim may find both reusable at once, and then asks whether they are free
	pool.Retire(obj)
	pool.Retire(obj)
	pool.Trim()
	reader.Leave()
	check(dom.Barrier(ctx))
	given(pool)
}

func freeInsteadOfRetire() {
	dom := quiet("nodes")
	pool, p := lent(dom)
	s := dom.Enter()
	v := p.Load(s)
	go func() {
		old := p.Swap(nil)
		pool.Free(old)
		if peek(&old.value) != poison { // else the read finds that
			must(pool.Get()).value = fresh
		}
	}()
	overwritten(&v.value, good)
	read(&v.value)
	s.Leave()
}

func retireIntoAnotherPool() {
	runtime.GOMAXPROCS(1)
	dom := quiet("nodes")
	nodes := slab.New[record](dom, slab.Options{Name: "nodes"})
	leaves := slab.New[record](dom, slab.Options{Name: "leaves"})
	obj := must(nodes.Get())
	reader := dom.Enter() // or Trim may find it reusable at once, and then asks where it is from
	leaves.Retire(obj)
	leaves.Trim()
	reader.Leave()
	check(dom.Barrier(ctx))
	for range 1 << 12 {
		if must(leaves.Get()) == obj {
			unnoticed("pool leaves gives out an object of pool nodes")
		}
	}
	end("bug: ", "the object was not given out")
}

// A statistics page that only wants to print the record.
func serializedLoadWithoutLock() {
	dom := quiet("tables")
	var mu sync.Mutex // the writers'
	var p smr.Pointer[record]
	p.GuardedBy(&mu)
	p.Init(&record{good})
	v := p.LoadSerialized()
	elsewhere(func() {
		mu.Lock()
		defer mu.Unlock()
		replace(dom, &p)
	})
	overwritten(&v.value, good)
	read(&v.value)
}

func storeWithoutLock() {
	dom := quiet("tables")
	var p smr.Pointer[counted]
	p.GuardedBy(new(sync.Mutex))
	p.Init(new(counted))
	old := p.LoadSerialized()
	elsewhere(func() { // the other writer, in between
		old := p.LoadSerialized()
		p.Store(new(counted))
		smr.Call(dom, old, 8, (*counted).free)
	})
	p.Store(new(counted))
	smr.Call(dom, old, 8, (*counted).free)
	check(dom.Barrier(ctx))
	unnoticed("the old object was freed %d times, and one that nothing leads to never is", old.frees.Load())
}

func initAfterPublication() {
	dom := quiet("tables")
	var p smr.Pointer[record]
	go func() {
		p.Init(&record{good}) // by a plain store
		select {}
	}()
	for {
		s := dom.Enter()
		v := p.Load(s)
		s.Leave()
		if v != nil {
			break
		}
		runtime.Gosched()
	}
	unnoticed("this processor keeps stores in order; another may show the record before its contents")
}

func callbackWaits() {
	dom := quiet("tables")
	failed := make(chan error)
	dom.CallFunc(0, func() { failed <- dom.Barrier(ctx) })
	told(<-failed)
}

func callbackPanics() {
	dom := quiet("tables")
	smr.Call(dom, &record{good}, 8, func(*record) { panic("the file was closed already") })
	check(dom.Barrier(ctx))
	select {}
}

func callbackUsesBorrowed() {
	runtime.GOMAXPROCS(1) // calls are served in order
	dom := quiet("tables")
	var p smr.Pointer[record]
	p.Init(&record{good})
	s := dom.Enter()
	v := p.Load(s)
	replace(dom, &p)
	dom.CallFunc(0, func() { read(&v.value) }) // to log it later
	s.Leave()
	select {}
}

func sizeZero() {
	dom := domain(smr.Options{Name: "tables", MaxPending: 1 << 20, StallAfter: -1})
	entered := make(chan smr.Section)
	go func() { entered <- dom.Enter() }()
	defer (<-entered).Leave() // a reader that stays
	for range 10000 {
		check(dom.Throttle(ctx))
		smr.Call(dom, new([1024]byte), 0, func(*[1024]byte) {})
	}
	st := dom.Stats()
	unnoticed("%d calls of 1 KiB each are pending, beyond a bound of 1 MiB: Throttle sees %d bytes", st.PendingCalls, st.PendingBytes)
}

func mapWriteInCompute() {
	m := must(smrmap.New[uint64, record](smrmap.Options{Domain: quiet("rows")}))
	stuck(func() {
		m.Compute(1, func(record, bool) (record, smrmap.Op) {
			m.Delete(1)
			check(m.Store(1, record{fresh}))
			return record{good}, smrmap.UpdateOp
		})
	}, "smrmap.(*lots).park")
}

func queueWithoutLock() {
	var mu sync.Mutex
	q := newQueue()
	q.GuardedBy(&mu)
	done := make(chan struct{})
	var inserted uint64
	go func() {
		q.InsertTail(&element{})
		set(&inserted)
		<-done
	}()
	overwritten(&inserted, 0)
	q.InsertTail(&element{})
	unnoticed("the writers have not met yet")
}

func elementInTwoQueues() {
	q, lru := newQueue(), newQueue()
	e := new(element)
	q.InsertTail(e)
	lru.InsertTail(e) // by the same Link
}

func reinsertedEarly() {
	dom := quiet("sessions")
	active, idle := newQueue(), newQueue()
	e := new(element)
	active.InsertTail(e)
	last := &element{record: record{good}}
	active.InsertTail(last)
	s := dom.Enter()
	at := active.First(s)
	active.Remove(e)
	idle.InsertTail(e) // no grace period between
	for ; at != nil; at = active.Next(s, at) {
		if at == last {
			end("bug: ", "the walk finds it")
		}
	}
	unnoticed("the reader misses an element that never left its queue")
}

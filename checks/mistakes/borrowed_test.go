package mistakes

import (
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// What is borrowed in a section, and used after it.

func pointerAfterLeave() {
	dom := quiet("tables")
	var p smr.Pointer[record]
	p.Init(&record{good})
	s := dom.Enter()
	v := p.Load(s)
	s.Leave()
	replace(dom, &p)
	overwritten(&v.value, good)
	read(&v.value)
}

// lent returns a published object of a pool. Another object of its slab stays in use, so the slab
// stays.
func lent(dom *smr.Domain) (*slab.Pool[record], *smr.Pointer[record]) {
	pool := slab.New[record](dom, slab.Options{Name: "nodes"})
	must(pool.Get())
	obj := must(pool.Get())
	obj.value = good
	p := new(smr.Pointer[record])
	p.Init(obj)
	return pool, p
}

func poolObjectAfterLeave() {
	dom := quiet("nodes")
	pool, p := lent(dom)
	s := dom.Enter()
	v := p.Load(s)
	s.Leave()
	go func() {
		p.Clear()
		pool.Retire(v)
		pool.Trim()
		check(dom.Barrier(ctx))
		if peek(&v.value) != poison { // else the read finds that
			reuse(dom, pool, v)
		}
	}()
	overwritten(&v.value, good)
	read(&v.value)
}

func poolObjectWrittenAfterLeave() {
	dom := quiet("nodes")
	pool, p := lent(dom)
	s := dom.Enter()
	v := p.Load(s)
	s.Leave()
	var retired, written, reused uint64
	go func() {
		p.Clear()
		pool.Retire(v)
		pool.Trim()
		check(dom.Barrier(ctx))
		set(&retired)
		overwritten(&written, 0)
		reuse(dom, pool, v)
		set(&reused)
		overwritten(&v.value, fresh)
		unnoticed("the object's next user finds %#x in it", peek(&v.value))
	}()
	overwritten(&retired, 0)
	v.value++ // a count of hits, say
	set(&written)
	overwritten(&reused, 0)
	v.value++
	select {}
}

func mapValueAfterLeave() {
	dom := quiet("rows")
	m := must(smrmap.New[uint64, record](smrmap.Options{Domain: dom}))
	check(m.Store(1, record{good}))
	s := dom.Enter()
	v, _ := m.LoadIn(s, 1)
	s.Leave()
	go storeAgain(m, v)
	overwritten(&v.value, good)
	read(&v.value)
}

// A request holds what it was asked for, longer than the section lasts.
type request struct{ value []byte }

func bytesValueKept() {
	dom := quiet("cache")
	b := must(smrmap.NewBytes(smrmap.Options{Domain: dom}))
	check(b.Store(key, body))
	r := find(dom, b)
	v := word(r.value)
	go storeBytesAgain(b, v)
	overwritten(v, bodyWord)
	read(v)
}

func find(dom *smr.Domain, b *smrmap.Bytes) request {
	s := dom.Enter()
	defer s.Leave()
	item, _ := b.LoadIn(s, key)
	return request{item.Value}
}

func queueElementAfterLeave() {
	dom := quiet("sessions")
	q := newQueue()
	e := &element{record: record{good}}
	q.InsertTail(e)
	q.InsertTail(&element{record: record{good}})
	s := dom.Enter()
	v := q.First(s)
	s.Leave()
	q.Remove(e)
	smr.Call(dom, e, 8, (*element).free)
	overwritten(&v.value, good)
	q.Next(s, v) // the walk goes on
	read(&v.value)
}

func walkKeyKept() {
	dom := quiet("cache")
	b := must(smrmap.NewBytes(smrmap.Options{Domain: dom}))
	check(b.Store(key, body))
	var kept [][]byte
	for k := range b.Keys() {
		kept = append(kept, k)
	}
	v, was := word(kept[0]), *word(key)
	go func() { // other keys come and go in its memory
		for b.Delete(key); peek(v) == was; b.Delete(other) {
			check(b.Store(other, body))
		}
	}()
	overwritten(v, was)
	read(v)
}

// The map returns a copy of the value, but the value is a pointer.
func mapOfPointersLoad() {
	dom := quiet("rows")
	m := must(smrmap.New[uint64, *record](smrmap.Options{Domain: dom}))
	check(m.Store(1, &record{good}))
	v, _ := m.Load(1)
	old, _ := m.LoadAndDelete(1)
	smr.Call(dom, old, 8, (*record).free)
	overwritten(&v.value, good)
	read(&v.value)
}

func writeToBorrowed() {
	inBorrowed(func(value []byte) { value[0] = 'B' })
}

func appendToBorrowed() {
	inBorrowed(func(value []byte) {
		if cap(value) != len(value) {
			end("bug: ", "there is room behind the value")
		}
		_ = append(value[:4], "-new"...) // but a part of it has room
	})
}

// inBorrowed calls write with a value that a reader borrowed, while another one reads it.
func inBorrowed(write func(value []byte)) {
	dom := quiet("cache")
	b := must(smrmap.NewBytes(smrmap.Options{Domain: dom}))
	check(b.Store(key, body))
	s := dom.Enter()
	item, _ := b.LoadIn(s, key)
	mine := word(item.Value)
	var theirs []byte
	var read uint64
	go func() {
		overwritten(mine, bodyWord)
		theirs, _ = b.Load(key, nil)
		set(&read)
	}()
	write(item.Value)
	overwritten(&read, 0)
	s.Leave()
	unnoticed("all readers find %q", theirs)
}

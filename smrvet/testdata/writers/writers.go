// Package writers has objects that are given up twice, too early, or without the lock.
package writers

import (
	"context"
	"sync"
	"unsafe"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

type node struct {
	value int
	link  smrq.Link[node]
}

type twoLinks struct{ a, b smrq.Link[twoLinks] }

func (*node) free() {}

var (
	dom  = smr.Default()
	root smr.Pointer[node]
	pool *slab.Pool[node]
	ctx  = context.Background()
)

func callTwice(n *node) {
	smr.Call(dom, n, 8, (*node).free)
	smr.Call(dom, n, 8, (*node).free) // want `Call gives up an object that was given up at line \d+, by Call: it would be freed twice \(smrdoublefree\)`
}

func callAndFree() {
	n, _ := pool.Get()
	smr.Call(dom, n, 8, pool.Free)
	pool.Free(n) // want `smrdoublefree`
}

func onOnePath(n *node, k bool) {
	pool.Retire(n)
	if k {
		pool.Retire(n) // want `smrdoublefree`
	}
}

func retire(n *node) { pool.Retire(n) }

func byHelper(n *node) {
	retire(n)
	pool.Free(n) // want `smrdoublefree`
}

func blockTwice(b *slab.Blocks, block []byte) {
	b.Retire(block)
	b.Free(block) // want `smrdoublefree`
}

func callFirst(fresh *node) {
	old := root.LoadSerialized()
	smr.Call(dom, old, 8, (*node).free) // want `Call comes before the object is unlinked, at line \d+`
	root.Store(fresh)
}

func otherPool(d *smr.Domain) {
	a, b := slab.New[node](d, slab.Options{}), slab.New[node](d, slab.Options{})
	n, err := a.Get()
	if err != nil {
		return
	}
	b.Retire(n) // want `Retire of an object into a pool that it is not from \(smrwrongdomain\)`
}

func afterPoolClose(p *slab.Pool[node]) int {
	n, _ := p.Get()
	p.Retire(n)
	p.Close(ctx)
	return n.value // want `an object is used after it was given back`
}

func unguarded(d *smr.Domain) *node {
	var p smr.Pointer[node]
	var mu sync.Mutex
	p.GuardedBy(&mu)
	p.Store(&node{}) // want `Store without the lock that GuardedBy names \(smrunguarded\)`
	mu.Lock()
	p.Store(nil)
	mu.Unlock()
	return p.LoadSerialized() // want `smrunguarded`
}

func unguardedQueue(q *smrq.TailQ[node]) {
	var mu sync.Mutex
	q.GuardedBy(&mu)
	q.InsertTail(&node{}) // want `smrunguarded`
}

func twoQueues(a, b *smrq.TailQ[node]) {
	n := &node{}
	a.InsertTail(n)
	b.InsertHead(n) // want `the element is in a queue already, since line \d+, and has one Link \(smrrelink\)`
}

func insideCompute(m *smrmap.Map[int, int]) {
	m.Compute(1, func(int, bool) (int, smrmap.Op) {
		m.Delete(2) // want `Delete waits for the bucket that is locked while this function runs`
		return 0, smrmap.DeleteOp
	})
}

func closedDomain(d *smr.Domain) {
	if err := d.Close(ctx); err != nil {
		return
	}
	s := d.Enter() // want `Enter panics: the domain was closed at line \d+ \(smrafterclose\)`
	s.Leave()
}

func panics(n *node) {
	smr.Call(dom, n, 8, func(*node) { panic("closed already") }) // want `the callback panics`
}

// From here on all is right.

func rightEither(n *node, k bool) {
	if k {
		pool.Retire(n)
	} else {
		pool.Free(n)
	}
}

func rightReturn(n *node, k bool) {
	if k {
		pool.Retire(n)
		return
	}
	pool.Free(n)
}

func rightLoop(ns []*node) {
	for _, n := range ns {
		pool.Retire(n)
	}
}

func rightTwoObjects() {
	for range 2 {
		n, _ := pool.Get()
		pool.Free(n)
	}
}

func rightReload() {
	pool.Retire(root.Swap(nil))
	pool.Retire(root.Swap(nil))
}

func rightShare(n *node) {
	l := pool.Pin()
	ok := l.Retire(n)
	l.Unpin()
	if !ok {
		pool.Retire(n)
	}
}

func rightTryCall(n *node) {
	if !smr.TryCall(dom, n, 8, (*node).free) {
		n.free()
	}
}

func rightCounted(n *node) {
	smr.Call(dom, n, 0, (*node).free) // it counts, and frees nothing
	smr.Call(dom, n, 0, (*node).free)
}

func rightOrder(fresh *node) {
	old := root.LoadSerialized()
	root.Store(fresh)
	smr.Call(dom, old, 8, (*node).free)
}

func rightOrderHelper(fresh *node) {
	old := root.LoadSerialized()
	publish(&root, fresh)
	smr.Call(dom, old, 8, (*node).free)
	root.Store(nil)
}

func publish(p *smr.Pointer[node], n *node) { p.Store(n) }

func rightGuarded() {
	var p smr.Pointer[node]
	var mu sync.Mutex
	p.GuardedBy(&mu)
	p.Init(&node{})
	mu.Lock()
	defer mu.Unlock()
	p.Store(nil)
}

func rightGuardedInClosure(run func(func())) {
	var p smr.Pointer[node]
	var mu sync.Mutex
	p.GuardedBy(&mu)
	run(func() {
		mu.Lock()
		defer mu.Unlock()
		p.Store(nil)
	})
}

func rightMove(a, b *smrq.TailQ[node]) {
	n := &node{}
	a.InsertTail(n)
	a.Remove(n)
	dom.Synchronize(ctx)
	b.InsertTail(n)
}

func rightTwoLinks(a, b *smrq.TailQ[twoLinks]) {
	n := &twoLinks{}
	a.InsertTail(n)
	b.InsertTail(n)
}

func rightAfterCompute(m *smrmap.Map[int, int]) {
	m.Compute(1, func(int, bool) (int, smrmap.Op) { return 0, smrmap.DeleteOp })
	m.Delete(2)
}

func rightOtherMap(m, n *smrmap.Map[int, int]) {
	m.Compute(1, func(int, bool) (int, smrmap.Op) {
		n.Delete(2)
		return 0, smrmap.DeleteOp
	})
}

func rightClosedEither(d *smr.Domain, k bool) {
	if k {
		d.Close(ctx)
		return
	}
	d.Enter().Leave()
}

func freeShared() int {
	s := dom.Enter()
	defer s.Leave()
	v := root.Load(s)
	pool.Free(root.Swap(nil)) // want `Free gives an object to the next user while readers may hold it`
	return v.value
}

func initLate() *node {
	var p smr.Pointer[node]
	go func() {
		p.Init(&node{}) // want `Init stores without order, though a reader may come`
	}()
	s := dom.Enter()
	defer s.Leave()
	return p.Load(s) // want `smrreturnborrowed`
}

func rightFreeAfter() {
	s := dom.Enter()
	_ = root.Load(s)
	s.Leave()
	pool.Free(root.Swap(nil)) // no one reads any more, for all one knows
}

func rightRetireInside() {
	s := dom.Enter()
	_ = root.Load(s)
	pool.Retire(root.Swap(nil))
	s.Leave()
}

func rightInitFirst() int {
	var p smr.Pointer[node]
	done := make(chan bool)
	go func() {
		p.Init(&node{})
		close(done)
	}()
	<-done
	s := dom.Enter()
	defer s.Leave()
	return p.Load(s).value
}

func rightHeldInPool(p *slab.Pool[node]) int {
	n, _ := p.Get()
	s := dom.Enter()
	h := smr.Hold(s, n)
	s.Leave()
	p.Retire(n)
	p.Close(ctx)
	v := n.value
	h.Release()
	return v
}

type table struct {
	mu   sync.Mutex
	root smr.Pointer[node]
}

func (t *table) begin() { t.mu.Lock() }

func (t *table) end() { t.mu.Unlock() }

func rightGuardedByMethod(t *table) {
	t.root.GuardedBy(&t.mu)
	t.begin()
	t.root.Store(nil)
	t.end()
}

func rightGuardedByCaller(t *table, locked func(func())) {
	t.root.GuardedBy(&t.mu)
	locked(func() { t.root.Store(nil) })
}

func rightAgainLater(n *node) {
	smr.Call(dom, n, 8, (*node).free)
	if dom.Barrier(ctx) != nil {
		return
	}
	n.value++ // used again
	smr.Call(dom, n, 8, (*node).free)
}

func retiredForGood(n *node) {
	pool.Retire(n)
	dom.Barrier(ctx)
	pool.Retire(n) // want `smrdoublefree`
}

func getBetween(n *node) {
	smr.Call(dom, n, 8, pool.Free)
	pool.Get()
	pool.Free(n) // want `smrdoublefree`
}

func hold(p *byte) smr.Held[byte] {
	s := dom.Enter()
	defer s.Leave()
	return smr.Hold(s, p)
}

func rightHeldBlock(b *slab.Blocks, block []byte) byte {
	h := hold(unsafe.SliceData(block))
	b.Retire(block)
	b.Close(ctx)
	v := block[0]
	h.Release()
	return v
}

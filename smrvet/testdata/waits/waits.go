// Package waits has what blocks in pinned sections, and waits for sections from inside.
package waits

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/stw"
)

type node struct{ value int }

var (
	dom   = smr.Default()
	root  smr.Pointer[node]
	mu    sync.Mutex
	ch    chan int
	ctx   = context.Background()
	cache *smrmap.Bytes
)

func receive() int {
	s := dom.Pin()
	v := <-ch // want `a receive from a channel while pinned: what blocks here kills the process. End the pin of line \d+ first, or use Enter \(smrpinblock\)`
	s.Leave()
	return v
}

func send() {
	s := dom.Pin()
	ch <- root.Load(s).value // want `a send to a channel while pinned`
	s.Leave()
}

func choose() {
	s := dom.Pin()
	select { // want `a select while pinned`
	case <-ch:
	case ch <- 1:
	}
	s.Leave()
}

func lock() {
	s := dom.Pin()
	mu.Lock() // want `sync.Mutex.Lock while pinned`
	mu.Unlock()
	s.Leave()
}

func sleep() {
	s := dom.Pin()
	time.Sleep(1) // want `time.Sleep while pinned`
	s.Leave()
}

func print() {
	s := dom.Pin()
	fmt.Println(root.Load(s).value) // want `fmt.Println while pinned`
	s.Leave()
}

func locks() {
	mu.Lock()
	defer mu.Unlock()
}

func byHelper() {
	s := dom.Pin()
	locks() // want `locks, which calls sync.Mutex.Lock while pinned`
	s.Leave()
}

func ranges() {
	s := dom.Pin()
	for range ch { // want `a receive from a channel while pinned`
	}
	s.Leave()
}

func store(m *smrmap.Map[int, int]) {
	s := m.Domain().Pin()
	m.Store(1, 1) // want `smrmap.Map.Store while pinned`
	s.Leave()
}

func share(p *slab.Pool[node]) {
	l := p.Pin()
	mu.Lock() // want `smrpinblock`
	l.Unpin()
	mu.Unlock()
}

func synchronize() {
	s := dom.Enter()
	dom.Synchronize(ctx) // want `Synchronize waits for the section that was entered at line \d+, which it is called in \(smrwaitinside\)`
	s.Leave()
}

func deferred() error {
	s := dom.Enter()
	defer s.Leave()
	return dom.Barrier(ctx) // want `smrwaitinside`
}

type server struct {
	dom *smr.Domain
	m   *smrmap.Map[int, int]
}

func (s *server) flush() error { return s.dom.Barrier(ctx) }

func (s *server) inField() error {
	sec := s.dom.Enter()
	defer sec.Leave()
	return s.dom.Throttle(ctx) // want `smrwaitinside`
}

func (s *server) byMethod() error {
	sec := s.dom.Enter()
	defer sec.Leave()
	return s.flush() // want `flush waits for the section`
}

func (s *server) mapClose() error {
	sec := s.m.Enter()
	defer sec.Leave()
	return s.m.Close(ctx) // want `smrwaitinside`
}

func (s *server) mapDomain() error {
	sec := s.m.Domain().Enter()
	defer sec.Leave()
	return s.m.Close(ctx) // want `smrwaitinside`
}

func inRead() {
	dom.Read(func(smr.Section) {
		dom.Synchronize(ctx) // want `Synchronize waits for the domain, but is called inside Read`
	})
}

func inScan() {
	cache.Scan(0, 1, func([]byte, smrmap.Item) {
		cache.Domain().Barrier(ctx) // want `smrwaitinside`
	})
}

func inWalk() {
	for range cache.Keys() {
		cache.CompactFor(ctx, 1) // want `smrwaitinside`
	}
}

func inCallback() {
	dom.CallFunc(0, func() {
		dom.Barrier(ctx) // want `Barrier waits for the domain, but is called in a callback of the domain`
	})
}

func byReader() {
	r := dom.NewReader()
	s := r.Enter()
	dom.Synchronize(ctx) // want `smrwaitinside`
	s.Leave()
}

func worker(w *stw.World) {
	w.Spawn(func(d *stw.Domain) {
		go func() {
			d.Poll() // want `Poll by another goroutine than the worker's own \(smrwronggoroutine\)`
		}()
	})
}

func twoGoroutines(d *smr.Domain) {
	r := d.NewReader()
	go func() {
		for {
			r.Enter().Leave() // want `the Reader is used by this goroutine, which does not end`
		}
	}()
	r.Enter().Leave()
}

// From here on all is right.

func rightAfter() {
	s := dom.Pin()
	v := root.Load(s).value
	s.Leave()
	ch <- v
}

func rightEnter() {
	s := dom.Enter()
	ch <- root.Load(s).value
	mu.Lock()
	mu.Unlock()
	s.Leave()
}

func rightPoll() {
	s := dom.Pin()
	select {
	case <-ch:
	default:
	}
	s.Leave()
}

func rightTryLock() {
	s := dom.Pin()
	if mu.TryLock() {
		mu.Unlock()
	}
	s.Leave()
}

func rightOneWay(k bool) {
	s := dom.Pin()
	if k {
		s.Leave()
		mu.Lock()
		mu.Unlock()
		return
	}
	s.Leave()
}

func rightUnknownWay(k bool) {
	var s smr.Section
	if k {
		s = dom.Pin()
	} else {
		s = dom.Enter()
		mu.Lock()
		mu.Unlock()
	}
	s.Leave()
}

func slow(k bool) {
	if k {
		mu.Lock()
		mu.Unlock()
	}
}

func rightPerhaps() {
	s := dom.Pin()
	slow(false)
	s.Leave()
}

func rightPanic(i int) {
	s := dom.Pin()
	if i < 0 {
		panic("a bug")
	}
	s.Leave()
}

func rightCall(n *node) {
	s := dom.Pin()
	smr.Call(dom, n, 8, func(*node) {})
	s.Leave()
}

func rightRetire(p *slab.Pool[node], n *node) {
	l := p.Pin()
	l.Retire(n)
	l.Unpin()
}

func rightLeaveFirst() error {
	s := dom.Enter()
	s.Leave()
	return dom.Synchronize(ctx)
}

func rightOtherDomain(a, b *smr.Domain) error {
	s := a.Enter()
	defer s.Leave()
	return b.Synchronize(ctx)
}

func rightClosure() func() error {
	s := dom.Enter()
	defer s.Leave()
	return func() error { return dom.Synchronize(ctx) }
}

func rightGoroutine() {
	s := dom.Enter()
	go dom.Synchronize(ctx)
	s.Leave()
}

func rightPerhapsWaits(k bool) {
	s := dom.Enter()
	if k {
		s.Leave()
		dom.Synchronize(ctx)
		return
	}
	s.Leave()
}

func rightCallback() {
	dom.CallFunc(0, func() {
		go dom.Barrier(ctx)
	})
}

func rightWorker(w *stw.World) {
	w.Spawn(func(d *stw.Domain) {
		for {
			d.Poll()
		}
	})
}

func rightReaderEach(d *smr.Domain) {
	for range 2 {
		go func() {
			r := d.NewReader()
			for {
				r.Enter().Leave()
			}
		}()
	}
}

func rightReaderHandedOver(d *smr.Domain) {
	r := d.NewReader()
	r.Enter().Leave()
	go func() {
		for {
			r.Enter().Leave()
		}
	}()
}

func rightLeftByValue() {
	s := dom.Pin()
	leave := s.Leave
	leave()
	mu.Lock()
	mu.Unlock()
}

func rightLeftElsewhere(finish func(smr.Section)) {
	s := dom.Enter()
	finish(s)
	dom.Synchronize(ctx)
}

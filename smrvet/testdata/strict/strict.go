// Package strict has what only -strict reports.
package strict

import (
	"context"
	"sync"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/stw"
)

type node struct {
	value int
	tags  []string
	next  *node
}

var (
	dom  = smr.Default()
	root smr.Pointer[node]
	pool *slab.Pool[node]
	mu   sync.Mutex
	ch   chan int
)

func notUnlinked() {
	mu.Lock()
	defer mu.Unlock()
	pool.Retire(root.LoadSerialized()) // want `Retire of an object that was loaded, and not unlinked here`
}

func blocks() {
	s := dom.Enter()
	<-ch // want `a receive from a channel in the section that was entered at line \d+`
	s.Leave()
}

func noLock() *node {
	return root.LoadSerialized() // want `LoadSerialized, and this function takes no lock`
}

func nodeLocked() *node { return root.LoadSerialized() }

func otherMap(a, b *smrmap.Map[int, int]) {
	a.Compute(1, func(int, bool) (int, smrmap.Op) {
		b.Delete(1) // want `Delete of a map inside Compute of another`
		return 0, smrmap.CancelOp
	})
}

func worker(d *stw.Domain) {
	mu.Lock() // want `sync.Mutex.Lock in a worker, outside of Blocking`
	mu.Unlock()
	d.Blocking(mu.Lock)
	mu.Unlock()
}

func somewhere(k bool) int {
	s := dom.Enter()
	v := root.Load(s)
	if k {
		s.Leave()
	}
	n := v.value // want `may be used after its section was left`
	if !k {
		s.Leave()
	}
	return n
}

func leadsTo() *node {
	s := dom.Enter()
	defer s.Leave()
	return root.Load(s).next // want `smrreturnborrowed`
}

func panics() {
	s := dom.Pin()
	if root.Load(s) == nil {
		panic("empty") // want `a panic while pinned`
	}
	s.Leave()
}

func perhaps(k bool) {
	if k {
		mu.Lock()
		mu.Unlock()
	}
}

func mayBlock() {
	s := dom.Pin()
	perhaps(true) // want `perhaps, which may call sync.Mutex.Lock, while pinned`
	s.Leave()
}

func closed(m *smrmap.Map[int, int]) error {
	m.Close(context.Background())
	return m.Store(1, 1) // want `Store fails: it was closed at line \d+`
}

func readers(d *smr.Domain) {
	r := d.NewReader()
	go func() {
		r.Enter().Leave() // want `the Reader is used by this goroutine and by the one that starts it`
	}()
	r.Enter().Leave()
}

package main

import (
	"context"
	"fmt"
	"sync"

	"github.com/puzpuzpuz/xsync/v3"

	"github.com/gosmr/gosmr/smr"
)

// baseline does the same simple work under smr and under locks, with the same counters, to compare
// reads and updates per second. Readers load one element at a time. One writer replaces elements as
// fast as it can, and reuses each as soon as no reader can hold it: under a lock, at once.
type baseline struct{ make func(*rig) guard }

// A guard keeps the readers apart from the writer.
type guard interface {
	// reader returns functions for one reading goroutine: begin and end a read, and load a cell.
	reader() (begin func(), load func(*smr.Pointer[token]) *token, end func())

	// replace puts fresh into a cell, and has free called with the previous token once no reader
	// holds it.
	replace(cell *smr.Pointer[token], fresh *token, free func(*token))
}

// A token is an element. It belongs to the writer while it is free.
type token struct {
	body
	generation uint64
}

const numTokens = 1 << 14

func (b baseline) join(r *rig) {
	g := b.make(r)
	cells := new([numCells]smr.Pointer[token])
	idle := make(chan *token, numTokens)
	for range numTokens {
		idle <- new(token)
	}
	free := func(t *token) {
		t.end()
		idle <- t
	}
	for i := range cells {
		t := <-idle
		t.begin(0)
		cells[i].Init(t)
	}
	r.start("writer", func(ctx context.Context, p *pulse) {
		rng := r.rand("writer")
		for ctx.Err() == nil {
			t := <-idle
			t.generation++
			t.begin(t.generation)
			g.replace(&cells[rng.IntN(numCells)], t, free)
			r.writes.updates.Add(1)
			p.beat()
		}
	})
	for i := range max(2, r.procs) {
		name := fmt.Sprintf("reader %d", i)
		rng := r.rand(name)
		r.start(name, func(ctx context.Context, p *pulse) {
			begin, load, end := g.reader()
			var v view
			var count readCount
			for ctx.Err() == nil {
				for range 256 {
					cell := &cells[rng.IntN(numCells)]
					begin()
					v.hold(&load(cell).body)
					for _, h := range v.held[:v.n] {
						v.saw(h.b, h.word)
					}
					v.n = 0
					end()
				}
				count.sections += 255 // and one by settle
				v.settle(smr.Section{}, readLocked, &count, &r.faults)
				r.reads.take(readLocked, &count)
				p.beat()
			}
		})
	}
}

// underSMR guards by sections and Call.
type underSMR struct{ dom *smr.Domain }

func newUnderSMR(r *rig) guard {
	return underSMR{r.domain("baseline", func(o *smr.Options) { *o = smr.Options{} })}
}

func (g underSMR) reader() (func(), func(*smr.Pointer[token]) *token, func()) {
	var s smr.Section
	return func() { s = g.dom.Enter() },
		func(cell *smr.Pointer[token]) *token { return cell.Load(s) },
		func() { s.Leave() }
}

func (g underSMR) replace(cell *smr.Pointer[token], fresh *token, free func(*token)) {
	old := cell.LoadSerialized()
	cell.Store(fresh)
	old.age.Store(unlinked)
	smr.Call(g.dom, old, elementSize, free)
}

// underLock guards by a lock, which readers take as readers says.
type underLock struct {
	lock, unlock func()
	readers      func() (lock, unlock func())
}

func (g underLock) reader() (func(), func(*smr.Pointer[token]) *token, func()) {
	lock, unlock := g.readers()
	return lock, (*smr.Pointer[token]).LoadSerialized, unlock
}

func (g underLock) replace(cell *smr.Pointer[token], fresh *token, free func(*token)) {
	g.lock()
	old := cell.LoadSerialized()
	cell.Store(fresh)
	g.unlock()
	free(old)
}

func newUnderMutex(*rig) guard {
	mu := new(sync.Mutex)
	return underLock{mu.Lock, mu.Unlock, func() (func(), func()) { return mu.Lock, mu.Unlock }}
}

func newUnderRWMutex(*rig) guard {
	mu := new(sync.RWMutex)
	return underLock{mu.Lock, mu.Unlock, func() (func(), func()) { return mu.RLock, mu.RUnlock }}
}

func newUnderRBMutex(*rig) guard {
	mu := xsync.NewRBMutex()
	return underLock{mu.Lock, mu.Unlock, func() (func(), func()) {
		var t *xsync.RToken
		return func() { t = mu.RLock() }, func() { mu.RUnlock(t) }
	}}
}

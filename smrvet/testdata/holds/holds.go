// Package holds has holds that are released twice, or never.
package holds

import "github.com/gosmr/gosmr/smr"

type node struct{ value int }

var (
	dom  = smr.Default()
	root smr.Pointer[node]
)

func leaked() int {
	s := dom.Enter()
	defer s.Leave()
	h := smr.Hold(s, root.Load(s)) // want `the hold is not released on the way that returns at line \d+ \(smrhold\)`
	return h.Get().value
}

func droppedHold() {
	s := dom.Enter()
	defer s.Leave()
	smr.Hold(s, root.Load(s)) // want `the hold that Hold opens is dropped: it is never released \(smrhold\)`
}

func twice() {
	s := dom.Enter()
	h := smr.Hold(s, root.Load(s))
	s.Leave()
	h.Release()
	h.Release() // want `the hold is released twice`
}

func after() *node {
	s := dom.Enter()
	h := smr.Hold(s, root.Load(s))
	s.Leave()
	h.Release()
	return h.Get() // want `Get is called with a hold that was released before`
}

func cloneLeaked(h smr.Held[node]) {
	c := h.Clone() // want `smrhold`
	_ = c.Get()
}

func outside() {
	s := dom.Enter()
	v := root.Load(s)
	s.Leave()
	h := smr.Hold(s, v) // want `Hold is called with a section that was left before`
	h.Release()
}

// From here on all is right.

func right() int {
	s := dom.Enter()
	h := smr.Hold(s, root.Load(s))
	s.Leave()
	defer h.Release()
	return h.Get().value
}

type snapshot struct{ h smr.Held[node] }

func rightStored() *snapshot {
	s := dom.Enter()
	defer s.Leave()
	return &snapshot{smr.Hold(s, root.Load(s))}
}

func rightReturned() smr.Held[node] {
	s := dom.Enter()
	defer s.Leave()
	return smr.Hold(s, root.Load(s))
}

func rightClone(h smr.Held[node]) {
	c := h.Clone()
	go func() {
		defer c.Release()
		_ = c.Get()
	}()
}

func rightActive() bool {
	s := dom.Enter()
	h := smr.Hold(s, root.Load(s))
	s.Leave()
	h.Release()
	return h.Active()
}

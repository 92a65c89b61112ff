// Package domains has sections of the wrong domain.
package domains

import (
	"context"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
	"github.com/gosmr/gosmr/smrq"
)

type node struct{ link smrq.Link[node] }

func (*node) free() {}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func quiet(name string) *smr.Domain { return must(smr.New(smr.Options{Name: name})) }

func pointer() {
	a, b := quiet("a"), quiet("b")
	var p smr.Pointer[node]
	p.In(a)
	s := b.Enter()
	defer s.Leave()
	p.Load(s) // want `Load in a section of another domain, entered at line \d+ \(smrwrongdomain\)`
}

func ofMap() {
	a, b := quiet("a"), quiet("b")
	m := must(smrmap.New[int, node](smrmap.Options{Domain: a}))
	s := b.Enter()
	defer s.Leave()
	m.LoadIn(s, 1) // want `LoadIn in a section of another domain`
}

func ofDefault() {
	a, _ := smr.New(smr.Options{})
	m, _ := smrmap.NewBytes(smrmap.Options{})
	s := a.Enter()
	defer s.Leave()
	m.LoadIn(s, nil) // want `smrwrongdomain`
}

func call(q *smrq.List[node]) {
	a, b := quiet("a"), quiet("b")
	s := b.Enter()
	defer s.Leave()
	n := q.First(s)
	q.Remove(n)
	smr.Call(a, n, 8, (*node).free) // want `the object was found in a section of another domain`
}

func goal() bool {
	a, b := quiet("a"), quiet("b")
	g := a.Advance()
	return b.Poll(g) // want `the goal is one of another domain`
}

func waited() error {
	a, b := quiet("a"), quiet("b")
	return b.Wait(context.Background(), a.DeferredAdvance()) // want `smrwrongdomain`
}

// From here on all is right.

func rightPointer() {
	a := quiet("a")
	var p smr.Pointer[node]
	p.In(a)
	s := a.Enter()
	defer s.Leave()
	p.Load(s)
}

func rightMap() {
	a := quiet("a")
	m := must(smrmap.New[int, node](smrmap.Options{Domain: a}))
	s := a.Enter()
	defer s.Leave()
	m.LoadIn(s, 1)
	other := m.Enter()
	defer other.Leave()
	m.LoadIn(other, 1)
}

func rightUnknown(a *smr.Domain, m *smrmap.Bytes) {
	s := a.Enter()
	defer s.Leave()
	m.LoadIn(s, nil)
}

func rightParameter(d *smr.Domain) {
	m, _ := smrmap.NewBytes(smrmap.Options{Domain: d})
	s := smr.Default().Enter()
	defer s.Leave()
	m.LoadIn(s, nil)
}

func rightVariable(k bool) {
	a, b := quiet("a"), quiet("b")
	d := a
	if k {
		d = b
	}
	m := must(smrmap.New[int, node](smrmap.Options{Domain: d}))
	s := a.Enter()
	defer s.Leave()
	m.LoadIn(s, 1)
}

func rightGoal() bool {
	a := quiet("a")
	return a.Poll(a.Advance())
}

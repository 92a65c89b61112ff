package queuetest

import (
	"fmt"
	"slices"

	"github.com/gosmr/gosmr/smr"
)

// A program is a string of bytes: an operation, then its arguments, each taken modulo the
// number of choices. So every string is a program. Most programs misuse the queues, which
// must then panic and change nothing.

// Elems is how many elements a program uses.
const Elems = 12

// queues is how many queues of the kind a program uses.
const queues = 2

type machine struct {
	program []byte
	section smr.Section
	elems   []*Elem

	q     [queues]Queue
	model [queues][]int // keys, in order
	moved [queues]bool  // by Append: the queue needs Init
	was   [queues]int   // the first element of a moved queue, or -1
}

// Run runs a program on two queues of a kind, and reports the first difference from the model.
// elems are [Elems] elements that are in no queue; reads are in section s.
func Run(k Kind, elems []*Elem, s smr.Section, program []byte) error {
	m := &machine{program: program, section: s, elems: elems}
	for i := range m.q {
		m.q[i] = k.New()
	}
	for step := 0; len(m.program) > 0; step++ {
		what, err := m.step()
		if err == nil {
			err = m.check()
		}
		if err != nil {
			return fmt.Errorf("step %d, %s: %w", step, what, err)
		}
	}
	return nil
}

func (m *machine) next(n int) int {
	if len(m.program) == 0 {
		return 0
	}
	b := m.program[0]
	m.program = m.program[1:]
	return int(b) % n
}

// step executes one operation, on the queue and on the model.
func (m *machine) step() (what string, err error) {
	code, i, e := m.next(16), m.next(queues), m.next(Elems)
	o := m.operation(code, i, e)
	what = fmt.Sprintf("queue %d: %s", i, o.what)
	if o.do == nil {
		return what, nil
	}
	var panicked any
	func() {
		defer func() { panicked = recover() }()
		err = o.do()
	}()
	switch {
	case o.legal && panicked != nil:
		return what, fmt.Errorf("panics: %v", panicked)
	case !o.legal && panicked == nil:
		return what, fmt.Errorf("should panic")
	case o.legal && o.then != nil:
		o.then()
	}
	return what, err
}

// lent reports whether a queue that was moved still leads to e, which then can't be removed.
func (m *machine) lent(e int) bool {
	for i := range m.moved {
		if m.moved[i] && m.was[i] == e {
			return true
		}
	}
	return false
}

func (m *machine) isFree(e int) bool {
	for _, at := range m.model {
		if slices.Contains(at, e) {
			return false
		}
	}
	return true
}

// check compares the queues with the model, forward and backward.
func (m *machine) check() error {
	for i, q := range m.q {
		if m.moved[i] {
			if err := m.checkMoved(i); err != nil {
				return err
			}
			continue
		}
		want := m.model[i]
		if err := q.Verify(); err != nil {
			return err
		}
		if q.Empty() != (len(want) == 0) {
			return fmt.Errorf("queue %d: Empty is %v, want %v", i, q.Empty(), want)
		}
		var entered, serialized, all, allSerialized []int
		for e := q.First(m.section); e != nil; e = q.Next(m.section, e) {
			entered = append(entered, e.Key)
		}
		for e := q.FirstSerialized(); e != nil; e = q.NextSerialized(e) {
			serialized = append(serialized, e.Key)
		}
		for e := range q.All(m.section) {
			all = append(all, e.Key)
		}
		for e := range q.AllSerialized() {
			allSerialized = append(allSerialized, e.Key)
		}
		if q, ok := q.(Tailed); ok {
			wantLast := -1
			if len(want) > 0 {
				wantLast = want[len(want)-1]
			}
			if got := key(q.LastSerialized()); got != wantLast {
				return fmt.Errorf("queue %d: the last one is %d, want %d", i, got, wantLast)
			}
		}
		for _, got := range [][]int{entered, serialized, all, allSerialized} {
			if !slices.Equal(got, want) {
				return fmt.Errorf("queue %d is %v, want %v", i, got, want)
			}
		}
	}
	for i, e := range m.elems {
		if e.Link.Linked() == m.isFree(i) {
			return fmt.Errorf("element %d: Linked is %v", i, e.Link.Linked())
		}
	}
	return nil
}

// checkMoved checks that a reader of a moved queue still finds its elements, and behind them
// those that follow where they are now.
func (m *machine) checkMoved(i int) error {
	var got []int
	for e := range m.q[i].All(m.section) {
		got = append(got, e.Key)
	}
	var want []int
	if was := m.was[i]; was >= 0 {
		for _, at := range m.model {
			if n := slices.Index(at, was); n >= 0 {
				want = at[n:]
			}
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("queue %d, moved by Append, reads as %v, want %v", i, got, want)
	}
	return nil
}

func first(keys []int) int {
	if len(keys) == 0 {
		return -1
	}
	return keys[0]
}

func key(e *Elem) int {
	if e == nil {
		return -1
	}
	return e.Key
}

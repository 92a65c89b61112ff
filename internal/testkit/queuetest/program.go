package queuetest

import (
	"fmt"
	"iter"
	"slices"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

const (
	Elems  = 12 // elements of a program
	queues = 2  // queues of a program
)

// A machine runs a program: bytes for an operation and its arguments, over and over, each taken
// modulo the number of choices. So every string is a program. Most misuse the queues, which must
// then panic and change nothing.
type machine struct {
	program []byte
	elems   []*Elem

	dom     *smr.Domain
	section smr.Section // of a reader that stays until there is a grace period

	q     [queues]Queue
	model [queues][]int // keys, in order
	moved [queues]bool  // by Append, so the queue needs Init
	was   [queues]int   // the first element of a moved queue, when it was moved, or -1

	hidden [queues]bool // by Unpublish
	gone   [queues]bool // hidden, and no reader is left that may come

	splitting bool // one queue into the other
	steps     smrq.Split[Elem]
	chain     []int // the queue before that
	waits     bool  // the last Step was after the section was entered
	left      int   // Steps that do something, at most
}

// Run runs a program on two queues of a kind, and returns the first difference from the model.
// elems are [Elems] elements that are in no queue; dom has no other reader.
func Run(k Kind, elems []*Elem, dom *smr.Domain, program []byte) error {
	m := &machine{program: program, elems: elems, dom: dom, section: dom.Enter()}
	defer func() { m.section.Leave() }()
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
	code, i, e := m.next(20), m.next(queues), m.next(Elems)
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

// ready reports whether writers may use queue i.
func (m *machine) ready(i int) bool { return !m.moved[i] && !m.splitting }

// lent reports whether a moved queue still leads to e, which then can't be removed.
func (m *machine) lent(e int) bool {
	for i := range m.moved {
		if m.moved[i] && !m.hidden[i] && m.was[i] == e {
			return true
		}
	}
	return false
}

func (m *machine) isFree(e int) bool {
	return !slices.ContainsFunc(m.model[:], func(keys []int) bool { return slices.Contains(keys, e) })
}

// check compares the queues with the model, forward and backward.
func (m *machine) check() error {
	for i, q := range m.q {
		if m.moved[i] || m.splitting {
			check := m.checkMoved
			if m.splitting {
				check = m.checkSplitting
			}
			if err := check(i); err != nil {
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
		var entered, serialized []int
		for e := q.First(m.section); e != nil; e = q.Next(m.section, e) {
			entered = append(entered, e.Key)
		}
		for e := q.FirstSerialized(); e != nil; e = q.NextSerialized(e) {
			serialized = append(serialized, e.Key)
		}
		if q, ok := q.(Tailed); ok {
			wantLast := keyAt(want, len(want)-1)
			if got := key(q.LastSerialized()); got != wantLast {
				return fmt.Errorf("queue %d: the last one is %d, want %d", i, got, wantLast)
			}
		}
		for _, got := range [][]int{entered, serialized, keys(q.All(m.section)), keys(q.AllSerialized())} {
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

// checkMoved checks that a reader of a moved queue still finds its elements, and those that now
// follow them.
func (m *machine) checkMoved(i int) error {
	if m.gone[i] || m.hidden[i] && m.was[i] >= 0 && m.isFree(m.was[i]) {
		return nil
	}
	got := keys(m.q[i].All(m.section))
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

// checkSplitting checks that a reader of a queue that is being split finds its elements in their
// order, and none that was not before or after them in the chain.
func (m *machine) checkSplitting(i int) error {
	got := keys(m.q[i].All(m.section))
	at := 0
	for _, key := range got {
		n := slices.Index(m.chain[at:], key)
		if n < 0 {
			return fmt.Errorf("queue %d, which is being split, reads as %v, which is not in the order of %v", i, got, m.chain)
		}
		at += n + 1
	}
	own := slices.DeleteFunc(got, func(key int) bool { return !slices.Contains(m.model[i], key) })
	if !slices.Equal(own, m.model[i]) {
		return fmt.Errorf("queue %d, which is being split, reads as %v, want %v", i, own, m.model[i])
	}
	if m.q[i].Verify() == nil {
		return fmt.Errorf("queue %d is being split, and Verify does not say so", i)
	}
	return nil
}

func keys(walk iter.Seq[*Elem]) (keys []int) {
	for e := range walk {
		keys = append(keys, e.Key)
	}
	return keys
}

// keyAt returns the key at i, or -1 if there is none.
func keyAt(keys []int, i int) int {
	if i < 0 || i >= len(keys) {
		return -1
	}
	return keys[i]
}

func key(e *Elem) int {
	if e == nil {
		return -1
	}
	return e.Key
}

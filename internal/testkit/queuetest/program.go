package queuetest

import (
	"fmt"
	"slices"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
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
	op, i := m.next(16), m.next(queues)
	q, at := m.q[i], m.model[i]
	usable := !m.moved[i]
	tailed, hasTail := q.(Tailed)

	var do func()
	legal := usable
	e, x := m.next(Elems), 0
	free, in := m.isFree(e), slices.Index(at, e)
	switch op {
	case 0, 1:
		what = fmt.Sprintf("InsertHead(%d)", e)
		do = func() { q.InsertHead(m.elems[e]) }
		if op == 1 {
			do = func() { q.InsertHeadRelaxed(m.elems[e]) }
		}
		legal = legal && free
		at = slices.Insert(slices.Clone(at), 0, e)
	case 2, 3, 4:
		if !hasTail {
			return "no tail", nil
		}
		what = fmt.Sprintf("InsertTail(%d)", e)
		do = func() { tailed.InsertTail(m.elems[e]) }
		if op == 3 {
			do = func() { tailed.InsertTailRelaxed(m.elems[e]) }
		}
		legal = legal && free
		at = append(slices.Clone(at), e)
	case 5, 6:
		x = m.next(Elems)
		what = fmt.Sprintf("InsertAfter(%d, %d)", x, e)
		do = func() { q.InsertAfter(m.elems[x], m.elems[e]) }
		if op == 6 {
			do = func() { q.InsertAfterRelaxed(m.elems[x], m.elems[e]) }
		}
		after := slices.Index(at, x)
		legal = legal && free && after >= 0
		if legal {
			at = slices.Insert(slices.Clone(at), after+1, e)
		}
	case 7, 8:
		what = fmt.Sprintf("Remove(%d)", e)
		do = func() { q.Remove(m.elems[e]) }
		legal = legal && in >= 0 && !m.lent(e)
		if legal {
			at = slices.Delete(slices.Clone(at), in, in+1)
		}
	case 9:
		x = m.next(Elems)
		what = fmt.Sprintf("Replace(%d, %d)", x, e)
		do = func() { q.Replace(m.elems[x], m.elems[e]) }
		old := slices.Index(at, x)
		legal = legal && free && old >= 0 && !m.lent(x)
		if legal {
			at = slices.Clone(at)
			at[old] = e
		}
	case 10:
		j := m.next(queues)
		what = fmt.Sprintf("Append(queue %d)", j)
		do = func() { q.AppendFrom(m.q[j]) }
		legal = legal && i != j && !m.moved[j]
		if legal {
			at = append(slices.Clone(at), m.model[j]...)
			m.moved[j], m.was[j] = true, first(m.model[j])
		}
	case 11:
		what = "Init"
		dropped := at
		do = func() {
			q.Init()
			for _, key := range dropped { // dropped; no reader is there
				m.elems[key].Link = smrq.Link[Elem]{}
			}
		}
		for _, key := range dropped {
			if m.lent(key) {
				return what, nil
			}
		}
		legal = true
		m.moved[i] = false
		at = nil
	case 12, 13:
		mask := m.next(256) | m.next(256)<<8
		for key := range Elems {
			if m.lent(key) {
				mask &^= 1 << key
			}
		}
		what = fmt.Sprintf("erasing %#x", mask)
		do = func() { m.erase(q, mask) }
		if op == 13 {
			what = "All, " + what
			do = func() { m.eraseAll(q, mask) }
		}
		if !usable {
			return what, nil
		}
		at = slices.DeleteFunc(slices.Clone(at), func(key int) bool { return mask>>key&1 != 0 })
	case 14:
		what = fmt.Sprintf("NextSerialized(%d)", e)
		do = func() {
			want := -1
			if in >= 0 && in+1 < len(at) {
				want = at[in+1]
			}
			if got := key(q.NextSerialized(m.elems[e])); got != want {
				err = fmt.Errorf("got %d, want %d", got, want)
			}
		}
		legal = legal && in >= 0
	case 15:
		// To the other end, as on use.
		what = fmt.Sprintf("move %d", e)
		if in < 0 || !usable || m.lent(e) {
			return what, nil
		}
		at = slices.Delete(slices.Clone(at), in, in+1)
		do = func() {
			q.Remove(m.elems[e])
			if hasTail {
				tailed.InsertTail(m.elems[e])
			} else {
				q.InsertHead(m.elems[e])
			}
		}
		if hasTail {
			at = append(at, e)
		} else {
			at = slices.Insert(at, 0, e)
		}
	}
	what = fmt.Sprintf("queue %d: %s", i, what)

	panicked := catch(do)
	switch {
	case legal && panicked != nil:
		return what, fmt.Errorf("panics: %v", panicked)
	case !legal && panicked == nil:
		return what, fmt.Errorf("should panic")
	}
	if legal {
		m.model[i] = at
		if op == 10 {
			for j := range m.model {
				if j != i && m.moved[j] {
					m.model[j] = nil
				}
			}
		}
	}
	return what, err
}

// erase erases with a cursor.
func (m *machine) erase(q Queue, mask int) {
	for c := q.Cursor(); c.Step(); {
		e := c.Elem()
		if mask>>e.Key&1 == 0 {
			c.Next()
		} else if c.Erase() != e {
			panic("Erase returned another element")
		}
	}
}

// eraseAll removes elements while AllSerialized is at them.
func (m *machine) eraseAll(q Queue, mask int) {
	for e := range q.AllSerialized() {
		if mask>>e.Key&1 != 0 {
			q.Remove(e)
		}
	}
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

// catch returns the value that do panics with, nil if it does not.
func catch(do func()) (p any) {
	defer func() { p = recover() }()
	do()
	return nil
}

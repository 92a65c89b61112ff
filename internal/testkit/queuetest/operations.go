package queuetest

import (
	"fmt"
	"slices"

	"github.com/gosmr/gosmr/smrq"
)

// An operation is one step of a program, on one queue.
type operation struct {
	what  string
	do    func() error // nil: this queue, as it is, has no such operation
	legal bool         // if false, do must panic
	then  func()       // updates the model after a legal do
}

// operation decodes one of twenty, on queue i and element e. Some read more of the program.
func (m *machine) operation(code, i, e int) operation {
	q := m.q[i]
	tailed, hasTail := q.(Tailed)
	switch code {
	case 0:
		return m.insert(i, e, 0, "InsertHead", q.InsertHead)
	case 1:
		return m.insert(i, e, 0, "InsertHeadRelaxed", q.InsertHeadRelaxed)
	case 2, 3, 4:
		if !hasTail {
			return operation{what: "no tail"}
		}
		if code == 3 {
			return m.insert(i, e, len(m.model[i]), "InsertTailRelaxed", tailed.InsertTailRelaxed)
		}
		return m.insert(i, e, len(m.model[i]), "InsertTail", tailed.InsertTail)
	case 5:
		return m.insertAfter(i, e, m.next(Elems), q.InsertAfter)
	case 6:
		return m.insertAfter(i, e, m.next(Elems), q.InsertAfterRelaxed)
	case 7, 8:
		return m.remove(i, e)
	case 9:
		return m.replace(i, m.next(Elems), e)
	case 10:
		return m.append(i, m.next(queues))
	case 11:
		return m.init(i)
	case 12:
		return m.eraseSome(i, "Erase", eraseByCursor)
	case 13:
		return m.eraseSome(i, "All, Remove", eraseInAll)
	case 14:
		return m.nextOf(i, e)
	case 15:
		return m.toOtherEnd(i, e)
	case 16:
		return m.unpublish(i)
	case 17:
		return m.split(i, m.next(queues))
	case 18:
		return m.stepSplit()
	default:
		return m.gracePeriod()
	}
}

// insert inserts e at one of the queue's ends.
func (m *machine) insert(i, e, at int, name string, do func(*Elem)) operation {
	return operation{
		what:  fmt.Sprintf("%s(%d)", name, e),
		do:    func() error { do(m.elems[e]); return nil },
		legal: m.ready(i) && m.isFree(e),
		then:  func() { m.model[i] = slices.Insert(m.model[i], at, e) },
	}
}

func (m *machine) insertAfter(i, e, x int, do func(at, e *Elem)) operation {
	at := slices.Index(m.model[i], x)
	return operation{
		what:  fmt.Sprintf("InsertAfter(%d, %d)", x, e),
		do:    func() error { do(m.elems[x], m.elems[e]); return nil },
		legal: m.ready(i) && m.isFree(e) && at >= 0,
		then:  func() { m.model[i] = slices.Insert(m.model[i], at+1, e) },
	}
}

func (m *machine) remove(i, e int) operation {
	at := slices.Index(m.model[i], e)
	return operation{
		what:  fmt.Sprintf("Remove(%d)", e),
		do:    func() error { m.q[i].Remove(m.elems[e]); return nil },
		legal: m.ready(i) && at >= 0 && !m.lent(e),
		then:  func() { m.model[i] = slices.Delete(m.model[i], at, at+1) },
	}
}

func (m *machine) replace(i, x, e int) operation {
	at := slices.Index(m.model[i], x)
	return operation{
		what:  fmt.Sprintf("Replace(%d, %d)", x, e),
		do:    func() error { m.q[i].Replace(m.elems[x], m.elems[e]); return nil },
		legal: m.ready(i) && m.isFree(e) && at >= 0 && !m.lent(x),
		then:  func() { m.model[i][at] = e },
	}
}

// append moves the elements of queue j to the end of queue i.
func (m *machine) append(i, j int) operation {
	return operation{
		what:  fmt.Sprintf("Append(queue %d)", j),
		do:    func() error { m.q[i].AppendFrom(m.q[j]); return nil },
		legal: m.ready(i) && i != j && m.ready(j),
		then: func() {
			m.moved[j], m.was[j] = true, keyAt(m.model[j], 0)
			m.model[i] = append(m.model[i], m.model[j]...)
			m.model[j] = nil
		},
	}
}

// init empties a queue and unlinks its elements. No other queue may lead to them.
func (m *machine) init(i int) operation {
	return operation{
		what: "Init",
		do: func() error {
			m.q[i].Init()
			for _, key := range m.model[i] {
				m.elems[key].Link = smrq.Link[Elem]{}
			}
			return nil
		},
		legal: m.moved[i] || m.ready(i) && !slices.ContainsFunc(m.model[i], m.lent),
		then:  func() { m.moved[i], m.hidden[i], m.gone[i], m.model[i] = false, false, false, nil },
	}
}

// unpublish says that no new reader comes to queue i.
func (m *machine) unpublish(i int) operation {
	return operation{
		what:  "Unpublish",
		do:    func() error { m.q[i].Unpublish(); return nil },
		legal: m.moved[i],
		then:  func() { m.hidden[i] = true },
	}
}

// split begins to split queue i into queue j.
func (m *machine) split(i, j int) operation {
	mask := m.next(256) | m.next(256)<<8
	picked := func(key int) bool { return mask>>key&1 != 0 }
	return operation{
		what: fmt.Sprintf("Split(queue %d, %#x)", j, mask),
		do: func() error {
			m.steps = m.q[i].SplitInto(m.q[j], func(e *Elem) bool { return picked(e.Key) })
			return nil
		},
		legal: m.ready(i) && i != j && m.ready(j) && len(m.model[j]) == 0,
		then: func() {
			m.chain, m.left = m.model[i], Elems+1
			m.splitting, m.waits = slices.ContainsFunc(m.chain, picked), false
			m.model[i] = slices.DeleteFunc(slices.Clone(m.chain), picked)
			m.model[j] = slices.DeleteFunc(slices.Clone(m.chain), func(key int) bool { return !picked(key) })
		},
	}
}

// stepSplit makes a step, or waits for readers.
func (m *machine) stepSplit() operation {
	return operation{
		what:  "Step",
		legal: true,
		do: func() error {
			more := m.steps.Step(m.dom)
			if !m.waits {
				m.left--
			}
			switch {
			case more && !m.splitting:
				return fmt.Errorf("there is nothing to do, and Step wants to do more")
			case more && m.left < 0:
				return fmt.Errorf("there is no last Step")
			case !more && m.splitting && m.waits:
				return fmt.Errorf("a Step did not wait for the section")
			}
			m.splitting, m.waits = more, more
			return nil
		},
	}
}

// gracePeriod ends the section that has been open, and all that waits for it.
func (m *machine) gracePeriod() operation {
	return operation{
		what:  "a grace period",
		legal: true,
		do: func() error {
			m.section.Leave()
			over := m.dom.Poll(m.dom.Advance())
			m.section = m.dom.Enter()
			m.waits, m.gone = false, m.hidden
			if !over {
				return fmt.Errorf("a reader is left")
			}
			return nil
		},
	}
}

// eraseSome removes a set of elements during a walk.
func (m *machine) eraseSome(i int, name string, erase func(q Queue, mask int)) operation {
	mask := m.next(256) | m.next(256)<<8
	for key := range Elems {
		if m.lent(key) {
			mask &^= 1 << key
		}
	}
	o := operation{what: fmt.Sprintf("%s of %#x", name, mask)}
	if m.ready(i) {
		o.legal = true
		o.do = func() error { erase(m.q[i], mask); return nil }
		o.then = func() {
			m.model[i] = slices.DeleteFunc(m.model[i], func(key int) bool { return mask>>key&1 != 0 })
		}
	}
	return o
}

// eraseByCursor erases with a cursor.
func eraseByCursor(q Queue, mask int) {
	for c := q.Cursor(); c.Step(); {
		e := c.Elem()
		if mask>>e.Key&1 == 0 {
			c.Next()
		} else if c.Erase() != e {
			panic("Erase returned another element")
		}
	}
}

// eraseInAll removes elements while a walk by AllSerialized is at them.
func eraseInAll(q Queue, mask int) {
	for e := range q.AllSerialized() {
		if mask>>e.Key&1 != 0 {
			q.Remove(e)
		}
	}
}

func (m *machine) nextOf(i, e int) operation {
	at := slices.Index(m.model[i], e)
	return operation{
		what: fmt.Sprintf("NextSerialized(%d)", e),
		do: func() error {
			want := keyAt(m.model[i], at+1)
			if got := key(m.q[i].NextSerialized(m.elems[e])); got != want {
				return fmt.Errorf("got %d, want %d", got, want)
			}
			return nil
		},
		legal: m.ready(i) && at >= 0,
	}
}

// toOtherEnd removes e and inserts it at the tail, as a cache does on use, or at the head if there
// is no tail.
func (m *machine) toOtherEnd(i, e int) operation {
	o := operation{what: fmt.Sprintf("move %d", e)}
	at := slices.Index(m.model[i], e)
	if at < 0 || !m.ready(i) || m.lent(e) {
		return o
	}
	o.legal = true
	tailed, hasTail := m.q[i].(Tailed)
	o.do = func() error {
		m.q[i].Remove(m.elems[e])
		if hasTail {
			tailed.InsertTail(m.elems[e])
		} else {
			m.q[i].InsertHead(m.elems[e])
		}
		return nil
	}
	o.then = func() {
		rest := slices.Delete(m.model[i], at, at+1)
		if hasTail {
			m.model[i] = append(rest, e)
		} else {
			m.model[i] = slices.Insert(rest, 0, e)
		}
	}
	return o
}

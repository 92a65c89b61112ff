// Package symtab interns names: each has one symbol, which is found without a lock. The table grows and
// shrinks beside its readers.
package symtab

import (
	"context"
	"hash/maphash"
	"iter"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// A Symbol is a name with a number. Readers have it in a section; who needs it for longer keeps a
// reference.
type Symbol struct {
	link   smrq.Link[Symbol]
	Name   string
	Number int
	refs   atomic.Int64
}

func symbolLink(s *Symbol) *smrq.Link[Symbol] { return &s.link }

// tryRef takes a reference unless the last one was given up.
func (y *Symbol) tryRef() bool {
	for {
		n := y.refs.Load()
		if n == 0 {
			return false
		}
		if y.refs.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// chains are a power of two of lists, by the upper bits of the hash.
type chains struct {
	bits  int
	lists []smrq.SList[Symbol]
}

var seed = maphash.MakeSeed()

func (c *chains) index(name string) int {
	return int(maphash.String(seed, name) >> (64 - c.bits))
}

// A Table has symbols.
type Table struct {
	dom    *smr.Domain
	chains smr.Pointer[chains]
	ended  func(*Symbol)

	mu     sync.Mutex
	n      int
	number int
}

// New returns an empty table. ended is called for each symbol that nobody can have any more.
func New(dom *smr.Domain, ended func(*Symbol)) *Table {
	t := &Table{dom: dom, ended: ended}
	t.chains.GuardedBy(&t.mu)
	t.chains.In(dom)
	t.chains.Init(t.newChains(1))
	return t
}

func (t *Table) newChains(bits int) *chains {
	c := &chains{bits, make([]smrq.SList[Symbol], 1<<bits)}
	for i := range c.lists {
		c.lists[i].InitWith(symbolLink)
		c.lists[i].GuardedBy(&t.mu)
	}
	return c
}

// Find returns the symbol of a name for section s, or nil.
func (t *Table) Find(s smr.Section, name string) *Symbol {
	c := t.chains.Load(s)
	for y := range c.lists[c.index(name)].All(s) {
		if y.Name == name {
			return y
		}
	}
	return nil
}

// Number returns the number of a name.
func (t *Table) Number(name string) (n int, ok bool) {
	t.dom.Read(func(s smr.Section) {
		if y := t.Find(s, name); y != nil {
			n, ok = y.Number, true
		}
	})
	return n, ok
}

// Ref returns the symbol of a name with a reference, to be given up by Unref. It makes the symbol if
// there is none. It must not be called in a section of the domain.
func (t *Table) Ref(name string) *Symbol {
	s := t.dom.Enter()
	if y := t.Find(s, name); y != nil && y.tryRef() {
		s.Leave()
		return y // the reference keeps it now
	}
	s.Leave()

	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.chains.LoadSerialized()
	list := &c.lists[c.index(name)]
	for y := range list.AllSerialized() {
		if y.Name == name && y.tryRef() {
			return y
		}
	}
	t.number++
	y := &Symbol{Name: name, Number: t.number}
	y.refs.Store(1)
	list.InsertHead(y)
	if t.n++; t.n > 2*len(c.lists) {
		t.growLocked()
	}
	return y
}

// Unref gives up a reference. With the last one, the symbol ends. It must not be called in a section of
// the domain.
func (t *Table) Unref(y *Symbol) {
	if y.refs.Add(-1) > 0 {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	c := t.chains.LoadSerialized()
	c.lists[c.index(y.Name)].Remove(y)
	smr.Call(t.dom, y, 0, t.ended)
	if t.n--; 4*t.n < len(c.lists) && c.bits > 1 {
		t.shrinkLocked()
	}
}

// growLocked doubles the chains. It waits for readers.
func (t *Table) growLocked() {
	old := t.chains.LoadSerialized()
	c := t.newChains(old.bits + 1)
	splits := make([]smrq.Split[Symbol], len(old.lists))
	for i := range old.lists {
		even, odd := &c.lists[2*i], &c.lists[2*i+1]
		even.Append(&old.lists[i])
		splits[i] = even.Split(odd, func(y *Symbol) bool { return c.index(y.Name)&1 == 1 })
	}
	t.publishLocked(c, old)
	for more := true; more; {
		more = false
		for i := range splits {
			if splits[i].Step(t.dom) {
				more = true
			}
		}
		if more {
			t.dom.Synchronize(context.Background())
		}
	}
}

// shrinkLocked halves the chains. It waits for nobody.
func (t *Table) shrinkLocked() {
	old := t.chains.LoadSerialized()
	c := t.newChains(old.bits - 1)
	for i := range old.lists {
		c.lists[i/2].Append(&old.lists[i])
	}
	t.publishLocked(c, old)
}

func (t *Table) publishLocked(c, old *chains) {
	t.chains.Store(c)
	for i := range old.lists {
		old.lists[i].Unpublish()
	}
}

// All iterates over the symbols in section s.
func (t *Table) All(s smr.Section) iter.Seq[*Symbol] {
	return func(yield func(*Symbol) bool) {
		c := t.chains.Load(s)
		for i := range c.lists {
			for y := range c.lists[i].All(s) {
				if c.index(y.Name) != i {
					continue // of another chain, while the table grows
				}
				if !yield(y) {
					return
				}
			}
		}
	}
}

// Len returns the number of symbols, and of chains.
func (t *Table) Len() (symbols, chains int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n, len(t.chains.LoadSerialized().lists)
}

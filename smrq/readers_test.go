package smrq_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit/queuetest"
	"github.com/gosmr/gosmr/smr"
)

type elem = queuetest.Elem

// walkers are goroutines that read until stopped, each in sections of another
// kind. A walk returns what is wrong with what it saw.
type walkers struct {
	wg   sync.WaitGroup
	stop atomic.Bool
	bad  atomic.Pointer[string]
}

// startWalkers starts three. A walk may be pinned: it must not block, and must not
// panic.
func startWalkers(d *smr.Domain, walk func(s smr.Section, n int) string) *walkers {
	w := new(walkers)
	r := d.NewReader()
	for i, enter := range []func() smr.Section{d.Enter, d.Pin, r.Enter} {
		w.wg.Go(func() {
			for n := i; !w.stop.Load(); n++ {
				s := enter()
				bad := walk(s, n)
				s.Leave()
				if bad != "" {
					w.bad.CompareAndSwap(nil, &bad)
					return
				}
				runtime.Gosched() // there may be fewer processors than goroutines
			}
			if i == 2 {
				r.Close()
			}
		})
	}
	return w
}

// failed reports whether a walk found something.
func (w *walkers) failed() bool { return w.bad.Load() != nil }

func (w *walkers) finish(t *testing.T) {
	t.Helper()
	w.stop.Store(true)
	w.wg.Wait()
	if bad := w.bad.Load(); bad != nil {
		t.Error(*bad)
	}
}

// A life is what is known of an element's time in a queue, in ticks of churn.now.
// Written by the writer, read by readers.
type life struct {
	inserted atomic.Uint64 // it was in the queue from then on, at the latest; 0: it was not
	removing atomic.Uint64 // and until then at the least; 0: until now
	removed  atomic.Uint64 // and until then at the latest; 0: it may still be
	home     atomic.Int32  // which queue
}

// churn is a writer that changes two queues at random, and readers that check
// what they see of them.
type churn struct {
	dom   *smr.Domain
	rng   *rand.Rand
	elems []*elem
	lives []life
	now   atomic.Uint64
	moves atomic.Uint64 // counts elements that are removed and inserted again at once: odd meanwhile
	moved bool          // whether the writer moves elements at all

	queues [2]queuetest.Queue
	in     [2][]int // keys, in order
	free   chan int // elements whose grace period is over
}

const (
	alive    = 0x600d
	poison   = 0xdead
	maxElems = 48
)

// A reader sees only elements that were in the queue at some time during its walk,
// and no freed one; each of them once; all that were there all the time; and it
// ends. Once an element is moved, a reader that stands on it goes along, and may
// see others twice or miss them; the rest holds.
func TestReaders_RandomWriter(t *testing.T) {
	for _, moved := range []bool{false, true} {
		t.Run(map[bool]string{false: "NothingMoved", true: "Moved"}[moved], func(t *testing.T) {
			forEachSource(t, func(t *testing.T, k queuetest.Kind, make elemSource) {
				testRandomWriter(t, k, make(t, maxElems), moved)
			})
		})
	}
}

func testRandomWriter(t *testing.T, k queuetest.Kind, elems []*elem, moved bool) {
	seed := rand.Uint64()
	c := &churn{
		dom:    newDomain(t),
		rng:    rand.New(rand.NewPCG(seed, 0)),
		elems:  elems,
		lives:  make([]life, len(elems)),
		moved:  moved,
		queues: [2]queuetest.Queue{k.New(), k.New()},
		free:   make(chan int, len(elems)),
	}
	for key := range elems {
		c.free <- key
	}
	w := startWalkers(c.dom, c.walk)
	for range rounds(100000) {
		if w.failed() {
			break
		}
		c.write()
	}
	w.finish(t)
	if t.Failed() {
		t.Log("seed ", seed)
	}
	for i, q := range c.queues {
		require.NoError(t, q.Verify())
		require.Equal(t, append([]int{}, c.in[i]...), keys(q))
	}
}

// walk is one reader's, in queue n modulo 2.
func (c *churn) walk(s smr.Section, n int) string {
	var seen [maxElems]bool
	moves := c.moves.Load()
	calm := func() bool { return moves%2 == 0 && c.moves.Load() == moves } // nothing was moved
	began := c.now.Load()
	steps := 0

	look := func(e *elem) string {
		if e.Tag != alive {
			return fmt.Sprintf("element %p was freed: %#x", e, e.Tag)
		}
		key := e.Key
		l := &c.lives[key]
		if removed := l.removed.Load(); removed != 0 && removed <= began {
			return fmt.Sprintf("element %d was removed at %d, the walk began at %d", key, removed, began)
		}
		if seen[key] && calm() {
			return fmt.Sprintf("element %d is seen twice", key)
		}
		seen[key] = true
		if steps++; steps > 1e6 {
			return "the walk does not end"
		}
		return ""
	}
	q := c.queues[n%2]
	if n&2 == 0 {
		for e := range q.All(s) {
			if bad := look(e); bad != "" {
				return bad
			}
		}
	} else {
		for e := q.First(s); e != nil; e = q.Next(s, e) {
			if bad := look(e); bad != "" {
				return bad
			}
		}
	}

	for key := range c.lives {
		if seen[key] {
			continue
		}
		l := &c.lives[key]
		inserted := l.inserted.Load()
		there := inserted != 0 && inserted <= began && l.removing.Load() == 0 && l.home.Load() == int32(n%2)
		if there && l.inserted.Load() == inserted && calm() {
			return fmt.Sprintf("element %d was in queue %d since %d, and not seen by a walk that began at %d", key, n%2, inserted, began)
		}
	}
	return ""
}

// write changes something.
func (c *churn) write() {
	i := c.rng.IntN(2)
	q, in := c.queues[i], c.in[i]
	op := c.rng.IntN(14)
	pick := func() int { return c.rng.IntN(len(in)) }
	switch {
	case op < 5 || len(in) == 0: // insert
		key, ok := c.take()
		if !ok {
			return
		}
		e := c.elems[key]
		tailed, hasTail := q.(queuetest.Tailed)
		c.inserting(key)
		switch {
		case op == 0 && hasTail:
			tailed.InsertTail(e)
			in = append(in, key)
		case op < 3 && len(in) > 0:
			at := pick()
			q.InsertAfter(c.elems[in[at]], e)
			in = slices.Insert(in, at+1, key)
		default:
			q.InsertHead(e)
			in = slices.Insert(in, 0, key)
		}
		c.inserted(key, i)
	case op < 8: // remove
		at := pick()
		c.removing(in[at])
		q.Remove(c.elems[in[at]])
		c.removed(in[at])
		in = slices.Delete(in, at, at+1)
	case op < 9: // replace
		key, ok := c.take()
		if !ok {
			return
		}
		at := pick()
		c.inserting(key)
		c.removing(in[at])
		q.Replace(c.elems[in[at]], c.elems[key])
		c.removed(in[at])
		c.inserted(key, i)
		in[at] = key
	case op < 11: // erase some
		mask := c.rng.Uint64() & c.rng.Uint64() & c.rng.Uint64()
		if op == 9 {
			for cur := q.Cursor(); cur.Step(); {
				key := cur.Elem().Key
				if mask>>key&1 == 0 {
					cur.Next()
					continue
				}
				c.removing(key)
				cur.Erase()
				c.removed(key)
			}
		} else {
			for e := range q.AllSerialized() {
				if mask>>e.Key&1 != 0 {
					c.removing(e.Key)
					q.Remove(e)
					c.removed(e.Key)
				}
			}
		}
		in = slices.DeleteFunc(in, func(key int) bool { return mask>>key&1 != 0 })
	case op < 12: // append the other
		other := c.in[1-i]
		for _, key := range other {
			c.removing(key)
		}
		q.AppendFrom(c.queues[1-i])
		for _, key := range other {
			c.lives[key].removing.Store(0)
			c.inserted(key, i)
		}
		in = append(in, other...)
		c.queues[1-i].Init()
		c.in[1-i] = nil
	default: // move
		if !c.moved {
			return
		}
		at := pick()
		key := in[at]
		c.removing(key)
		c.moves.Add(1)
		q.Remove(c.elems[key])
		in = slices.Delete(in, at, at+1)
		if len(in) == 0 {
			q.InsertHead(c.elems[key])
			in = append(in, key)
		} else {
			at = pick()
			q.InsertAfter(c.elems[in[at]], c.elems[key])
			in = slices.Insert(in, at+1, key)
		}
		c.moves.Add(1)
		c.lives[key].removing.Store(0)
		c.inserted(key, i)
	}
	c.in[i] = in
}

// take takes a free element, if there will be one.
func (c *churn) take() (key int, ok bool) {
	select {
	case key = <-c.free:
		return key, true
	default:
	}
	if len(c.in[0])+len(c.in[1]) == len(c.elems) {
		return 0, false
	}
	c.dom.Flush()
	return <-c.free, true
}

func (c *churn) inserting(key int) {
	l := &c.lives[key]
	l.inserted.Store(0)
	l.removing.Store(0)
	l.removed.Store(0)
	c.elems[key].Key = key
	c.elems[key].Tag = alive
}

// inserted is called when key is in queue i, with what it was before set back.
func (c *churn) inserted(key, i int) {
	l := &c.lives[key]
	l.inserted.Store(0)
	l.home.Store(int32(i))
	l.inserted.Store(c.now.Add(1))
}

func (c *churn) removing(key int) { c.lives[key].removing.Store(c.now.Add(1)) }

// removed is called when key is in no queue any more.
func (c *churn) removed(key int) {
	c.lives[key].removed.Store(c.now.Add(1))
	e := c.elems[key]
	c.dom.CallFunc(int(unsafe.Sizeof(*e)), func() {
		e.Tag, e.Key = poison, 0
		c.free <- key
	})
}

// What was written to an element before it was inserted is there for whoever
// finds it: under -race, also when the processor would make it so anyway.
func TestReaders_SeeWhatWasWrittenBefore(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		q := k.New()
		w := startWalkers(newDomain(t), func(s smr.Section, _ int) string {
			for e := range q.All(s) {
				if e.Tag != alive {
					return fmt.Sprintf("found %#x", e.Tag)
				}
			}
			return ""
		})
		for key := range rounds(20000) {
			e := &elem{Key: key, Tag: alive}
			switch first := q.FirstSerialized(); {
			case key%3 == 0 || first == nil:
				q.InsertHead(e)
			case key%3 == 1:
				q.InsertAfter(first, e)
			default:
				q.Replace(first, e)
			}
			if key%100 == 99 {
				for c := q.Cursor(); c.Step(); {
					c.Erase()
				}
			}
		}
		w.finish(t)
	})
}

// A reader sees an element or its replacement: always one, never both.
func TestReaders_Replace(t *testing.T) {
	forEachSource(t, func(t *testing.T, k queuetest.Kind, make elemSource) {
		const places = 4
		elems := make(t, 4*places)
		d := newDomain(t)
		q := k.New()
		insertAll(q, elems[:places]...)
		free := newFreeList(elems[places:])
		w := startWalkers(d, func(s smr.Section, _ int) string {
			place := 0
			for e := range q.All(s) {
				if e.Key != place {
					return fmt.Sprintf("found %d at place %d", e.Key, place)
				}
				place++
			}
			if place != places {
				return fmt.Sprintf("found %d elements", place)
			}
			return ""
		})
		at := slices.Clone(elems[:places])
		for n := range rounds(20000) {
			if w.failed() {
				break
			}
			place := n % places
			if len(free) == 0 {
				d.Flush()
			}
			e := <-free
			e.Key = place
			old := at[place]
			q.Replace(old, e)
			at[place] = e
			d.CallFunc(int(unsafe.Sizeof(*old)), func() {
				old.Key = -1
				free <- old
			})
		}
		w.finish(t)
	})
}

func newFreeList(elems []*elem) chan *elem {
	free := make(chan *elem, maxElems)
	for _, e := range elems {
		free <- e
	}
	return free
}

// Readers in the source of an Append go on as if nothing had happened; readers in
// the destination see all of what came or nothing.
func TestReaders_Append(t *testing.T) {
	forEachSource(t, func(t *testing.T, k queuetest.Kind, make elemSource) {
		e := make(t, 6)
		d := newDomain(t)
		dst, src := k.New(), k.New()
		insertAll(dst, e[:3]...)
		// The writer inserts 5, 4, 3 at the source's head, and erases 3, 4, 5 from
		// the destination: a walk that has met one of them meets those behind it.
		w := startWalkers(d, func(s smr.Section, n int) string {
			q, next, ends := dst, 0, [...]bool{3: true, 6: true}
			if n%2 == 0 {
				q, next = src, -1
			}
			for e := range q.All(s) {
				if next == -1 || next == 3 && e.Key > 3 {
					next = e.Key
				}
				if e.Key != next {
					return fmt.Sprintf("found %d, want %d", e.Key, next)
				}
				next++
			}
			if next != -1 && !ends[next] {
				return fmt.Sprintf("a walk ended before %d", next)
			}
			return ""
		})
		for range rounds(3000) {
			if w.failed() {
				break
			}
			for i := 5; i >= 3; i-- {
				src.InsertHead(e[i])
			}
			dst.AppendFrom(src)
			src.Init()
			require.NoError(t, d.Synchronize(context.Background()))
			for c := dst.Cursor(); c.Step(); {
				if c.Elem().Key >= 3 {
					c.Erase()
				} else {
					c.Next()
				}
			}
			require.NoError(t, d.Synchronize(context.Background()))
			require.NoError(t, dst.Verify())
		}
		w.finish(t)
	})
}

package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// queues has readers walk queues of all four kinds, each changed by one writer in every possible
// way: see lane. Elements come from one pool, and go from queue to queue after a grace period.
//
// Some elements of each queue are marks, which stay there in order, though they are replaced: a
// walk must see each of them once. Between them, elements come and go. And two queues exchange
// elements at once, without a grace period: walks there may go astray, but must see only sound
// elements.
type queues struct{}

const (
	numMarks  = 4
	laneSize  = 48      // elements of a queue, at most
	longWalk  = 100_000 // no walk is so long
	laneShift = 48      // a generation has the lane's number in its high bits
)

// A node is an element of queues. It points only to other nodes, so it lies off the Go heap where
// that is possible.
type node struct {
	body
	mark int // 1 to numMarks, or 0: constant while readers may hold it
	link smrq.Link[node]
}

// A queue is any of the four kinds.
type queue interface {
	First(smr.Section) *node
	Next(smr.Section, *node) *node
	FirstSerialized() *node
	NextSerialized(*node) *node
	InsertHead(*node)
	InsertAfter(at, e *node)
	Remove(*node)
	Replace(old, e *node)
	Cursor() smrq.Cursor[node]
	GuardedBy(smrq.TryLocker)
	Verify() error
}

// A tailed queue is one with a tail.
type tailed interface {
	queue
	InsertTail(*node)
	LastSerialized() *node
}

// laneKinds makes the queues, each with a function that appends elements in one step.
var laneKinds = []struct {
	name string
	new  func() (queue, func([]*node))
}{
	{"SList", func() (queue, func([]*node)) {
		q := smrq.NewSList(nodeLink)
		return q, func(all []*node) { src := smrq.NewSList(nodeLink); fillRelaxed(src, all); q.Append(src); src.Init() }
	}},
	{"List", func() (queue, func([]*node)) {
		q := smrq.NewList(nodeLink)
		return q, func(all []*node) { src := smrq.NewList(nodeLink); fillRelaxed(src, all); q.Append(src); src.Init() }
	}},
	{"STailQ", func() (queue, func([]*node)) {
		q := smrq.NewSTailQ(nodeLink)
		return q, func(all []*node) { src := smrq.NewSTailQ(nodeLink); fillRelaxed(src, all); q.Append(src); src.Init() }
	}},
	{"TailQ", func() (queue, func([]*node)) {
		q := smrq.NewTailQ(nodeLink)
		return q, func(all []*node) { src := smrq.NewTailQ(nodeLink); fillRelaxed(src, all); q.Append(src); src.Init() }
	}},
}

func nodeLink(n *node) *smrq.Link[node] { return &n.link }

// fillRelaxed fills a queue that no reader can see yet.
func fillRelaxed(q interface{ InsertHeadRelaxed(*node) }, all []*node) {
	for _, n := range all {
		q.InsertHeadRelaxed(n)
	}
}

func (queues) join(r *rig) {
	dom := r.domain("queues", nil)
	pool := slab.New[node](dom, slab.Options{OffHeapLinks: true})
	r.after(func() { r.faults.within("Close of the nodes' pool", pool.Close) })
	var lanes []*lane
	for i, kind := range laneKinds {
		l := &lane{
			number: uint64(i), dom: dom, pool: pool, faults: &r.faults, gate: &r.gate, tally: &r.writes,
			rng: r.rand("writer of " + kind.name), moves: r.counter("moves between queues"),
		}
		l.q, l.append = kind.new()
		l.q.GuardedBy(&l.mu)
		l.setUp()
		lanes = append(lanes, l)
	}
	for i, l := range lanes {
		l.next = lanes[(i+1)%len(lanes)]
		r.start("writer of "+laneKinds[i].name, l.run)
	}
	r.after(func() { // before the pool is closed
		r.faults.within("Barrier on the queues", dom.Barrier)
		for _, l := range lanes {
			l.tearDown()
		}
	})
	pair := newExchange(r, dom, pool)
	for i := range max(4, 2*r.procs) {
		name := fmt.Sprintf("reader of queues %d", i)
		w := &walker{reader: reader{rng: r.rand(name), kind: readQueue}, dom: dom, faults: &r.faults}
		r.start(name, func(ctx context.Context, p *pulse) {
			w.registered = dom.NewReader()
			defer w.registered.Close()
			for ctx.Err() == nil {
				r.gate.pass()
				if w.rng.IntN(4) == 0 {
					w.walk(pair.queues[w.rng.IntN(2)], "queues that exchange elements", false)
				} else {
					n := w.rng.IntN(len(lanes))
					w.walk(lanes[n].q, laneKinds[n].name, true)
				}
				r.reads.take(w.kind, &w.count)
				p.beat()
			}
		})
	}
}

// A walker is a reader of queues.
type walker struct {
	reader
	dom        *smr.Domain
	faults     *faults
	registered *smr.Reader
}

// walk walks a queue from head to end in a section of any kind. It checks every element, and some
// of them again before it leaves.
func (w *walker) walk(q queue, name string, marked bool) {
	s, pinned := enterAny(w.dom, w.registered, w.rng)
	rest := w.rng.IntN(2 * laneSize) // where it has a rest
	marks, steps := 0, 0
	inOrder := true
	for n := q.First(s); n != nil && steps < longWalk; n = q.Next(s, n) {
		w.view.hold(&n.body)
		if n.mark != 0 {
			inOrder = inOrder && n.mark == marks+1
			marks = n.mark
		}
		if steps++; steps == rest {
			if pinned {
				drawPinnedStay(w.rng).pass(w.rng)
			} else {
				drawStay(w.rng, w.rng.IntN(64) == 0).pass(w.rng)
			}
		}
	}
	w.view.verify(s)
	s.Leave()
	w.view.settle(s, w.kind, &w.count, w.faults)
	if steps == longWalk {
		w.faults.add(faultQueue, "%s: a walk did not end", name)
	}
	if marked && (!inOrder || marks != numMarks) {
		w.faults.add(faultQueue, "%s: a walk of %d elements missed a mark, or saw one twice; the last was %d of %d",
			name, steps, marks, numMarks)
	}
}

// enterAny enters a section of one kind or another. A pinned one must not block.
func enterAny(dom *smr.Domain, rd *smr.Reader, rng *rand.Rand) (s smr.Section, pinned bool) {
	switch rng.IntN(3) {
	case 0:
		return dom.Pin(), true
	case 1:
		return rd.Enter(), false
	default:
		return dom.Enter(), false
	}
}

// An exchange is two queues of one writer, which moves elements at once from the head of one to the
// tail of the other. (A reader on such an element goes along.)
type exchange struct {
	mu     sync.Mutex
	queues [2]queue
	size   int // elements in both
}

func newExchange(r *rig, dom *smr.Domain, pool *slab.Pool[node]) *exchange {
	x := new(exchange)
	x.queues[0], _ = laneKinds[1].new()
	x.queues[1], _ = laneKinds[3].new()
	l := &lane{number: uint64(len(laneKinds)), dom: dom, pool: pool, faults: &r.faults, tally: &r.writes, rng: r.rand("exchange")}
	for _, q := range x.queues {
		q.GuardedBy(&x.mu)
	}
	r.start("writer of two queues", func(ctx context.Context, p *pulse) {
		for ctx.Err() == nil {
			r.gate.pass()
			x.mu.Lock()
			x.step(l)
			x.mu.Unlock()
			l.collect()
			r.writes.updates.Add(1)
			p.beat()
		}
		defer l.collectAll()
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, q := range x.queues {
			for n := q.FirstSerialized(); n != nil; n = q.FirstSerialized() {
				q.Remove(n)
				l.release(n)
			}
		}
	})
	return x
}

func (x *exchange) step(l *lane) {
	from, to := x.queues[0], x.queues[1]
	if l.rng.IntN(2) == 0 {
		from, to = to, from
	}
	first := from.FirstSerialized()
	switch n := l.rng.IntN(4); {
	case first == nil || n == 0:
		if x.size < laneSize {
			x.size++
			from.InsertHead(l.fresh(0))
		}
	case n == 1:
		x.size--
		from.Remove(first)
		l.release(first)
	default:
		from.Remove(first)
		if q, ok := to.(tailed); ok && n == 2 {
			q.InsertTail(first)
		} else {
			to.InsertHead(first)
		}
	}
}

package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// A lane is a queue and its one writer, which inserts at either end and in the middle, removes,
// replaces, erases by a cursor, and appends. What it unlinks returns to the pool, or goes on to the
// next lane, after its grace period.
type lane struct {
	number uint64
	q      queue
	append func([]*node) // puts elements behind the others
	mu     sync.Mutex    // held while the queue is written to

	dom    *smr.Domain
	pool   *slab.Pool[node]
	faults *faults
	gate   *gate
	tally  *writeTally
	rng    *rand.Rand
	moves  *counter
	next   *lane

	generation uint64
	marks      [numMarks]*node
	others     []*node // the elements other than marks, in no order

	// Nodes from the lane before, each after its grace period.
	inboxLock sync.Mutex
	inbox     []*node

	polled []polledNode // what waits for a goal that is polled, the oldest first
}

type polledNode struct {
	n    *node
	goal smr.Seq
}

// fresh returns a node that no other goroutine holds.
func (l *lane) fresh(mark int) *node {
	n, err := l.pool.Get()
	if err != nil {
		panic(err) // there is no budget
	}
	n.link = smrq.Link[node]{} // an earlier user may have left anything
	n.mark = mark
	l.generation++
	n.begin(l.number<<laneShift | l.generation)
	return n
}

// setUp makes the marks, before any other goroutine uses the lane.
func (l *lane) setUp() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.marks {
		l.marks[i] = l.fresh(i + 1)
		if i == 0 {
			l.q.InsertHead(l.marks[0])
		} else {
			l.q.InsertAfter(l.marks[i-1], l.marks[i])
		}
	}
}

func (l *lane) run(ctx context.Context, p *pulse) {
	for ctx.Err() == nil {
		l.gate.pass()
		for range 16 {
			l.mu.Lock()
			l.step()
			l.mu.Unlock()
			l.tally.updates.Add(1)
		}
		l.collect()
		if l.rng.IntN(64) == 0 {
			l.mu.Lock()
			if err := l.q.Verify(); err != nil {
				l.faults.add(faultQueue, "%s: %v", laneKinds[l.number].name, err)
			}
			l.mu.Unlock()
			l.checkError(l.dom.Throttle(context.Background()))
		}
		p.beat()
		runtime.Gosched()
	}
	l.collectAll()
}

func (l *lane) checkError(err error) {
	if err != nil {
		l.faults.add(faultWait, "a writer of queues: %v", err)
	}
}

// step changes the queue once.
func (l *lane) step() {
	n := l.rng.IntN(16)
	if len(l.others) >= laneSize {
		n = 15 // too long: erase some
	}
	switch {
	case n < 2:
		l.insert(l.q.InsertHead)
	case n < 4:
		if q, ok := l.q.(tailed); ok {
			l.insert(q.InsertTail)
			return
		}
		l.insert(l.q.InsertHead)
	case n < 6:
		at := l.marks[l.rng.IntN(numMarks)]
		l.insert(func(e *node) { l.q.InsertAfter(at, e) })
	case n < 10:
		if len(l.others) > 0 {
			i := l.rng.IntN(len(l.others))
			old := l.others[i]
			l.others = slices.Delete(l.others, i, i+1)
			l.q.Remove(old)
			l.release(old)
		}
	case n < 12:
		i := l.rng.IntN(numMarks)
		old := l.marks[i]
		l.marks[i] = l.fresh(i + 1)
		l.q.Replace(old, l.marks[i])
		l.release(old)
	case n < 13:
		if len(l.others) > 0 {
			i := l.rng.IntN(len(l.others))
			old := l.others[i]
			l.others[i] = l.fresh(0)
			l.q.Replace(old, l.others[i])
			l.release(old)
		}
	case n < 14:
		all := make([]*node, 1+l.rng.IntN(3))
		for i := range all {
			all[i] = l.fresh(0)
		}
		l.append(all)
		l.others = append(l.others, all...)
	case n < 15: // the last one, so that the tail moves
		if q, ok := l.q.(tailed); ok {
			if last := q.LastSerialized(); last.mark == 0 {
				l.others = slices.DeleteFunc(l.others, func(n *node) bool { return n == last })
				q.Remove(last)
				l.release(last)
			}
		}
	default:
		l.erase()
	}
}

// insert inserts an element that came from another lane, or a fresh one.
func (l *lane) insert(insert func(*node)) {
	n := l.arrived()
	if n == nil {
		n = l.fresh(0)
	}
	insert(n)
	l.others = append(l.others, n)
}

// erase erases about half of the elements, by a cursor.
func (l *lane) erase() {
	for c := l.q.Cursor(); c.Step(); {
		if n := c.Elem(); n.mark != 0 || l.rng.IntN(2) == 0 {
			c.Next()
			continue
		}
		old := c.Erase()
		l.others = slices.DeleteFunc(l.others, func(n *node) bool { return n == old })
		l.release(old)
	}
}

// release retires a node that was just unlinked. After a grace period the pool reuses it, or this
// lane's next poll or the next lane takes it.
func (l *lane) release(n *node) {
	n.age.Store(unlinked)
	ways := 3
	if l.next != nil && n.mark == 0 { // not of an exchange
		ways = 5
	}
	switch l.rng.IntN(ways) {
	case 0:
		l.pool.Retire(n)
	case 1:
		pool := l.pool
		smr.Call(l.dom, n, drawSize(l.rng), func(n *node) {
			n.end()
			pool.Free(n)
		})
	case 2:
		l.polled = append(l.polled, polledNode{n, l.dom.Advance()})
	default:
		smr.Call(l.dom, n, elementSize, l.next.arrive)
	}
}

// arrive is the callback of a node that moves: no reader holds it, and it is about to be inserted
// as if it were new.
func (l *lane) arrive(n *node) {
	n.end()
	l.inboxLock.Lock()
	defer l.inboxLock.Unlock()
	l.inbox = append(l.inbox, n)
}

// arrived returns a node from another lane, ready to be inserted, or nil.
func (l *lane) arrived() *node {
	l.inboxLock.Lock()
	defer l.inboxLock.Unlock()
	if len(l.inbox) == 0 {
		return nil
	}
	n := l.inbox[len(l.inbox)-1]
	l.inbox = l.inbox[:len(l.inbox)-1]
	l.generation++
	n.begin(l.number<<laneShift | l.generation)
	l.moves.Add(1)
	return n
}

// collect frees the nodes whose polled goals are reached.
func (l *lane) collect() {
	for len(l.polled) > 0 && l.dom.Poll(l.polled[0].goal) {
		n := l.polled[0].n
		l.polled = l.polled[1:]
		n.end()
		l.pool.Free(n)
	}
}

// collectAll waits for all of them.
func (l *lane) collectAll() {
	for _, w := range l.polled {
		l.checkError(l.dom.Wait(context.Background(), w.goal))
	}
	l.collect()
}

// tearDown gives everything back, after all goroutines have ended and all calls have run.
func (l *lane) tearDown() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for n := l.q.FirstSerialized(); n != nil; n = l.q.FirstSerialized() {
		l.q.Remove(n)
		l.pool.Free(n)
	}
	for _, n := range l.inbox {
		l.pool.Free(n)
	}
	l.inbox = nil
}

//go:build smr_sched

package smrq

import (
	"context"
	"slices"
	"testing"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/smr"
)

// What follows are small programs that package sched runs under every schedule up to
// a bound: a reader walks a queue while a writer does one or two things to it. What
// was in the queue before and is after the writer's program was there all the time,
// and the reader finds it; and it finds nothing that was there at no time, or twice,
// or in another order.

type schedElem struct {
	key  int
	link Link[schedElem]
}

func linkOf(e *schedElem) *Link[schedElem] { return &e.link }

// writers are programs of one writer on a queue of 1, 2, 3, with what a reader may
// see.
var writers = []struct {
	name string
	do   func(q *TailQ[schedElem], e []*schedElem)
	see  [][]int
}{
	{"insert at the head", func(q *TailQ[schedElem], e []*schedElem) { q.InsertHead(e[4]) },
		[][]int{{1, 2, 3}, {4, 1, 2, 3}}},
	{"insert after", func(q *TailQ[schedElem], e []*schedElem) { q.InsertAfter(e[1], e[4]) },
		[][]int{{1, 2, 3}, {1, 4, 2, 3}}},
	{"insert at the tail", func(q *TailQ[schedElem], e []*schedElem) { q.InsertTail(e[4]) },
		[][]int{{1, 2, 3}, {1, 2, 3, 4}}},
	{"remove the first", func(q *TailQ[schedElem], e []*schedElem) { q.Remove(e[1]) },
		[][]int{{1, 2, 3}, {2, 3}}},
	{"remove the second", func(q *TailQ[schedElem], e []*schedElem) { q.Remove(e[2]) },
		[][]int{{1, 2, 3}, {1, 3}}},
	{"replace", func(q *TailQ[schedElem], e []*schedElem) { q.Replace(e[2], e[4]) },
		[][]int{{1, 2, 3}, {1, 4, 3}}},
	{"remove two", func(q *TailQ[schedElem], e []*schedElem) { q.Remove(e[2]); q.Remove(e[1]) },
		[][]int{{1, 2, 3}, {1, 3}, {3}}},
	{"remove the second, insert at the head", func(q *TailQ[schedElem], e []*schedElem) { q.Remove(e[2]); q.InsertHead(e[4]) },
		[][]int{{1, 2, 3}, {1, 3}, {4, 1, 3}}},
	// A reader between the two sees what it passed as it was, and the rest as it is.
	{"insert at the head, remove the third", func(q *TailQ[schedElem], e []*schedElem) { q.InsertHead(e[4]); q.Remove(e[3]) },
		[][]int{{1, 2, 3}, {4, 1, 2, 3}, {4, 1, 2}, {1, 2}}},
	{"append", func(q *TailQ[schedElem], e []*schedElem) {
		src := NewTailQ(linkOf)
		src.InsertHead(e[4])
		q.Append(src)
	}, [][]int{{1, 2, 3}, {1, 2, 3, 4}}},
}

// A queue is split, and at once one part is appended to the other, by whose head the reader comes. It
// sees no element twice, and all that stay in their queue.
func TestSchedules_SplitThenAppend(t *testing.T) {
	for _, c := range []struct {
		name   string
		n      int // 1 to n are in the queue
		picked int
		own    []int // what the reader of the queue sees; nil: it comes to what was picked
	}{{"first", 2, 1, nil}, {"second", 2, 2, []int{1}}, {"middle", 3, 2, []int{1, 3}}} {
		t.Run(c.name, func(t *testing.T) {
			sched.Explore(t, sched.Options{Schedules: 5_000}, func(x *sched.Exec) func() {
				d, err := smr.New(smr.Options{})
				if err != nil {
					x.Fail("New: %v", err)
				}
				q, into := NewTailQ(linkOf), NewTailQ(linkOf)
				for key := range c.n {
					q.InsertTail(&schedElem{key: key + 1})
				}
				split := q.Split(into, func(e *schedElem) bool { return e.key == c.picked })
				read, other, own := q, into, c.own
				if own == nil {
					read, other, own = into, q, []int{c.picked}
				}
				r := d.NewReader()
				x.Go("reader", 0, func() {
					s := r.Enter()
					var seen, stay []int
					for o := range read.All(s) {
						if slices.Contains(seen, o.key) {
							x.Fail("a reader sees %d again after %v", o.key, seen)
						}
						if seen = append(seen, o.key); slices.Contains(own, o.key) {
							stay = append(stay, o.key)
						}
					}
					s.Leave()
					if !slices.Equal(stay, own) {
						x.Fail("a reader sees %v, and %v stay in the queue", seen, own)
					}
				})
				x.Go("writer", 1, func() {
					for split.Step(d) {
						sched.Gosched() // Step alone knows whether it may
					}
					other.Append(read)
				})
				return func() { d.Close(context.Background()) }
			})
		})
	}
}

func TestSchedules_ReaderAgainstWriter(t *testing.T) {
	for _, w := range writers {
		t.Run(w.name, func(t *testing.T) {
			sched.Explore(t, sched.Options{}, func(x *sched.Exec) func() {
				d, err := smr.New(smr.Options{})
				if err != nil {
					x.Fail("New: %v", err)
				}
				q := NewTailQ(linkOf)
				e := make([]*schedElem, 5)
				for key := range e {
					e[key] = &schedElem{key: key}
				}
				for _, first := range []int{3, 2, 1} {
					q.InsertHead(e[first])
				}
				r := d.NewReader()
				x.Go("reader", 0, func() {
					for range 2 {
						s := r.Enter()
						var seen []int
						for o := range q.All(s) {
							if seen = append(seen, o.key); len(seen) > 5 {
								break
							}
						}
						s.Leave()
						if !slices.ContainsFunc(w.see, func(see []int) bool { return slices.Equal(see, seen) }) {
							x.Fail("a reader sees %v, want one of %v", seen, w.see)
						}
					}
				})
				x.Go("writer", 1, func() { w.do(q, e) })
				return func() { d.Close(context.Background()) }
			})
		})
	}
}

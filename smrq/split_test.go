package smrq_test

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/testkit/queuetest"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

// A reader that comes by the head of an appended and unpublished queue finds its first element,
// though that was removed, and all that follows.
func TestUnpublish_OldHeadStaysReadable(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for name, take := range map[string]func(q queuetest.Queue, old, fresh *elem){
			"Remove":  func(q queuetest.Queue, old, _ *elem) { q.Remove(old) },
			"Replace": func(q queuetest.Queue, old, fresh *elem) { q.Replace(old, fresh) },
			"Erase": func(q queuetest.Queue, old, _ *elem) {
				c := q.Cursor()
				for c.Step() && c.Elem() != old {
					c.Next()
				}
				c.Erase()
			},
		} {
			e := queuetest.OnHeap(6)
			dst, src := k.New(), k.New()
			insertAll(dst, e[0], e[1])
			insertAll(src, e[2], e[3], e[4])
			s := newDomain(t).Enter()
			dst.AppendFrom(src)
			require.Contains(t, panicText(t, func() { take(dst, e[2], e[5]) }), "Unpublish", name)
			src.Unpublish()
			take(dst, e[2], e[5])
			require.False(t, e[2].Link.Linked())
			require.NoError(t, dst.Verify())
			require.Equal(t, []int{2, 3, 4}, readKeys(src, s))
			dst.Remove(e[3])
			dst.Remove(e[4])
			require.Equal(t, []int{2, 3, 4}, readKeys(src, s))
			s.Leave()

			// The queue can be used again, and owes nothing.
			require.Contains(t, panicText(t, func() { src.InsertHead(e[3]) }), "it needs Init first")
			src.Init()
			require.True(t, src.Empty())
			require.NoError(t, src.Verify())
			require.Equal(t, name == "Replace", dst.NextSerialized(e[1]) == e[5])
		}
	})
}

// readKeys returns what a reader finds in the queue.
func readKeys(q queuetest.Queue, s smr.Section) []int {
	keys := []int{}
	for e := range q.All(s) {
		keys = append(keys, e.Key)
	}
	return keys
}

// keysNow returns what a new reader finds in the queue.
func keysNow(d *smr.Domain, q queuetest.Queue) (keys []int) {
	d.Read(func(s smr.Section) { keys = readKeys(q, s) })
	return keys
}

// Each queue that leads to an element by its head says for itself that it no longer does.
func TestUnpublish_EachHead(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(2)
		first, second, third := k.New(), k.New(), k.New()
		insertAll(first, e...)
		second.AppendFrom(first)
		third.AppendFrom(second)
		for _, unpublish := range []func(){first.Unpublish, first.Unpublish, second.Unpublish} {
			require.Contains(t, panicText(t, func() { third.Remove(e[0]) }), "still leads to it")
			unpublish()
		}
		third.Remove(e[0])
		require.Equal(t, []int{1}, keys(third))
		second.Init()
		first.Init()
		require.NoError(t, third.Verify())
	})
}

// There is room for 255 such queues. One more is refused before anything is changed.
func TestAppend_TooManyLoans(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(2)
		last := k.New()
		insertAll(last, e...)
		var lending []queuetest.Queue
		for range 255 {
			lending = append(lending, last)
			last = k.New()
			last.AppendFrom(lending[len(lending)-1])
		}
		next := k.New()
		require.Contains(t, panicText(t, func() { next.AppendFrom(last) }), "255 queues that were appended still lead to it")
		require.NoError(t, last.Verify())
		require.Equal(t, []int{0, 1}, keys(last))
		require.True(t, next.Empty())

		lending[100].Unpublish()
		next.AppendFrom(last)
		for _, q := range append(lending, last) {
			require.Contains(t, panicText(t, func() { next.Remove(e[0]) }), "still leads to it")
			q.Unpublish()
		}
		next.Remove(e[0])
		require.NoError(t, next.Verify())
	})
}

// Unpublish is for the source of an Append only.
func TestUnpublish_Misuse(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(3)
		dst, src := k.New(), k.New()
		insertAll(src, e...)
		require.Contains(t, panicText(t, src.Unpublish), "no Append has moved its elements")
		dst.AppendFrom(src)
		require.Contains(t, panicText(t, dst.Unpublish), "no Append has moved its elements")
		e[0].Link = smrq.Link[elem]{}
		require.Contains(t, panicText(t, src.Unpublish), "overwritten")

		none := k.New()
		k.New().AppendFrom(none)
		none.Unpublish() // there is nothing to give back
		none.Init()
		require.Contains(t, panicText(t, none.Unpublish), "no Append has moved its elements")
	})
	var zero smrq.List[node]
	require.Contains(t, panicText(t, zero.Unpublish), "never made")
}

// steps makes all steps of a split, and returns how many that were. After each it calls check.
func steps(t *testing.T, d *smr.Domain, split *smrq.Split[elem], check func()) (n int) {
	t.Helper()
	for split.Step(d) {
		check()
		require.NoError(t, d.Synchronize(context.Background()))
		n++
		require.Less(t, n, 100)
	}
	check()
	require.False(t, split.Step(d), "and no more")
	return n
}

// Every way to split five elements: a reader that comes by either head at any time finds all that
// are there in their order, and in the end no others. There is a step for each change from one
// queue's elements to the other's, and one for the last readers.
func TestSplit_AllWays(t *testing.T) {
	forEachSource(t, func(t *testing.T, k queuetest.Kind, make elemSource) {
		const n = 5
		d := newDomain(t)
		e := make(t, n+1)
		for mask := range 1 << n {
			picked := func(key int) bool { return mask>>key&1 != 0 }
			for i := range e {
				e[i].Link = smrq.Link[elem]{}
			}
			q, into := k.New(), k.New()
			insertAll(q, e[:n]...)
			stay, moved := []int{}, []int{}
			changes, was := 0, false
			for key := range n {
				if picked(key) {
					moved = append(moved, key)
				} else {
					stay = append(stay, key)
				}
				if picked(key) != was {
					changes++
					was = !was
				}
			}
			split := q.SplitInto(into, func(e *elem) bool { return picked(e.Key) })
			done := steps(t, d, &split, func() {
				s := d.Enter()
				defer s.Leave()
				only := func(got, want []int) []int {
					return slices.DeleteFunc(got, func(key int) bool { return !slices.Contains(want, key) })
				}
				require.Equal(t, stay, only(readKeys(q, s), stay), "mask %b", mask)
				require.Equal(t, moved, only(readKeys(into, s), moved), "mask %b", mask)
			})
			if changes > 0 {
				changes++
			}
			require.Equal(t, changes, done, "mask %b", mask)
			for _, part := range []struct {
				q    queuetest.Queue
				want []int
			}{{q, stay}, {into, moved}} {
				require.NoError(t, part.q.Verify(), "mask %b", mask)
				require.Equal(t, part.want, keys(part.q), "mask %b", mask)
				part.q.InsertHead(e[n])
				part.q.Remove(e[n])
				if q, ok := part.q.(queuetest.Tailed); ok {
					q.InsertTail(e[n])
					q.Remove(e[n])
				}
				for c := part.q.Cursor(); c.Step(); {
					c.Erase()
				}
			}
		}
	})
}

// Step waits for the readers that may rely on what it changes: those that entered before the elements
// had a head of their own, and those that entered before the last step. In the end none is among the
// elements of the other queue, so that those can be freed or appended.
func TestSplit_StepWaitsForReaders(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		d := newDomain(t)
		e := queuetest.OnHeap(4)
		q, into := k.New(), k.New()
		insertAll(q, e...)
		split := q.SplitInto(into, func(e *elem) bool { return e.Key%2 != 0 })
		stages := []struct{ q, into []int }{
			{[]int{0, 1, 2, 3}, []int{1, 2, 3}},
			{[]int{0, 2, 3}, []int{1, 2, 3}}, // 0 bypasses 1
			{[]int{0, 2, 3}, []int{1, 3}},    // 1 bypasses 2
			{[]int{0, 2}, []int{1, 3}},       // 2 bypasses 3
		}
		s := d.Enter()
		defer func() { s.Leave() }()
		for i, stage := range stages {
			for range 3 {
				require.True(t, split.Step(d))
				require.Equal(t, stage.q, readKeys(q, s))
				require.Equal(t, stage.into, readKeys(into, s))
			}
			next := d.Enter()
			s.Leave()
			s = next
			require.Equal(t, i < len(stages)-1, split.Step(d))
		}
		require.NoError(t, q.Verify())
		require.NoError(t, into.Verify())
	})
}

// A wait that a writer forgets makes Step do nothing, and the grace period is on its way.
func TestSplit_StepsWithoutWaits(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		d := newDomain(t)
		e := queuetest.OnHeap(4)
		q, into := k.New(), k.New()
		insertAll(q, e...)
		split := q.SplitInto(into, func(e *elem) bool { return e.Key%2 == 0 })
		for n := 0; split.Step(d); n++ {
			require.Less(t, n, 100)
		}
		require.Equal(t, []int{1, 3}, keys(q))
		require.Equal(t, []int{0, 2}, keys(into))
	})
}

// Until the last step writers are refused, also a walk and a cursor from before.
func TestSplit_RefusesWriters(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		d := newDomain(t)
		e := queuetest.OnHeap(4)
		q, into, other := k.New(), k.New(), k.New()
		insertAll(q, e[:3]...)
		c := q.Cursor()
		c.Step()
		all := func(*elem) bool { return true }
		var split smrq.Split[elem]
		require.Contains(t, panicText(t, func() {
			for range q.AllSerialized() {
				split = q.SplitInto(into, func(e *elem) bool { return e.Key == 1 })
			}
		}), "it is in queue")
		require.Contains(t, panicText(t, func() { c.Erase() }), "it is being split")
		for split.Step(d) {
			for _, write := range []func(){
				q.Init,
				into.Init,
				func() { q.InsertHead(e[3]) },
				func() { into.InsertHead(e[3]) },
				func() { into.InsertHeadRelaxed(e[3]) },
				func() { q.InsertAfter(e[0], e[3]) },
				func() { q.Remove(e[0]) },
				func() { into.Remove(e[1]) },
				func() { q.Replace(e[0], e[3]) },
				func() { q.FirstSerialized() },
				func() { into.NextSerialized(e[1]) },
				func() { keys(q) },
				func() { into.Cursor() },
				func() { other.AppendFrom(q) },
				func() { into.AppendFrom(other) },
				func() { q.SplitInto(other, all) },
				func() { other.SplitInto(into, all) },
			} {
				require.Contains(t, panicText(t, write), "it is being split")
			}
			require.ErrorContains(t, q.Verify(), "it is being split")
			require.ErrorContains(t, into.Verify(), "it is being split")
		}
		require.Equal(t, []int{0, 2}, keys(q))
		require.Equal(t, []int{1}, keys(into))
	})
}

// Broken linkage is found before anything is changed.
func TestSplit_Misuse(t *testing.T) {
	all := func(*elem) bool { return true }
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(4)
		q, into := k.New(), k.New()
		insertAll(q, e[:3]...)
		require.Contains(t, panicText(t, func() { q.SplitInto(q, all) }), "the same queue")
		require.Contains(t, panicText(t, func() { into.SplitInto(q, all) }), "is not empty")
		moved := k.New()
		k.New().AppendFrom(moved)
		require.Contains(t, panicText(t, func() { q.SplitInto(moved, all) }), "it needs Init first")
		require.Contains(t, panicText(t, func() { moved.SplitInto(into, all) }), "it needs Init first")
		require.NoError(t, q.Verify())

		e[1].Link = smrq.Link[elem]{}
		require.Contains(t, panicText(t, func() { q.SplitInto(into, all) }), "it is in no queue")
		require.NoError(t, into.Verify())
		into.InsertHead(e[3])
	})
	type two struct{ a, b smrq.Link[two] }
	q := smrq.NewList(func(x *two) *smrq.Link[two] { return &x.a })
	other := smrq.NewList(func(x *two) *smrq.Link[two] { return &x.b })
	require.Contains(t, panicText(t, func() { q.Split(other, nil) }), "another Link")
	var zero smrq.List[two]
	require.Contains(t, panicText(t, func() { q.Split(&zero, nil) }), "never made")
	require.Contains(t, panicText(t, func() { zero.Split(q, nil) }), "never made")
	require.False(t, new(smrq.Split[two]).Step(newDomain(t)))
}

// An element that is overwritten between two steps is found by the next one that comes to it, before
// that changes anything: also the one that is to be changed.
func TestSplit_Overwritten(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for _, broken := range []int{0, 1, 2} {
			d := newDomain(t)
			e := queuetest.OnHeap(4)
			q, into := k.New(), k.New()
			insertAll(q, e...)
			split := q.SplitInto(into, func(e *elem) bool { return e.Key%2 != 0 })
			require.True(t, split.Step(d))
			e[broken].Link = smrq.Link[elem]{}
			require.NoError(t, d.Synchronize(context.Background()))
			before := keysNow(d, q)
			require.Contains(t, panicText(t, func() { split.Step(d) }), "it is in no queue", fmt.Sprint(broken))
			require.Equal(t, before, keysNow(d, q))
		}
	})
}

// Readers that come to an element by the head of an appended queue would not find all that follows:
// Step is refused until they no longer come, wherever the element is.
func TestSplit_RefusesLoans(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for mask := 1; mask < 16; mask++ {
			for name, end := range map[string]func(src queuetest.Queue){
				"Unpublish": func(src queuetest.Queue) { src.Unpublish() },
				"Init":      func(src queuetest.Queue) { src.Init() },
			} {
				d := newDomain(t)
				e := queuetest.OnHeap(4)
				q, src, into := k.New(), k.New(), k.New()
				insertAll(q, e[0])
				insertAll(src, e[1:]...)
				q.AppendFrom(src)
				split := q.SplitInto(into, func(e *elem) bool { return mask>>e.Key&1 != 0 })
				for range 2 {
					require.Contains(t, panicText(t, func() { split.Step(d) }), "Unpublish", name)
				}
				require.NoError(t, d.Synchronize(context.Background()))
				require.Equal(t, []int{0, 1, 2, 3}, keysNow(d, q))
				require.Equal(t, []int{1, 2, 3}, keysNow(d, src))
				end(src)
				steps(t, d, &split, func() {})
				require.NoError(t, q.Verify())
				require.NoError(t, into.Verify())
				require.Len(t, append(keys(q), keys(into)...), 4)
			}
		}
	})
}

// A copy of a Split makes no step that another one has made.
func TestSplit_Copied(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for made := range 5 {
			d := newDomain(t)
			q, into := k.New(), k.New()
			insertAll(q, queuetest.OnHeap(4)...)
			split := q.SplitInto(into, func(e *elem) bool { return e.Key%2 != 0 })
			step := func() bool {
				defer func() { require.NoError(t, d.Synchronize(context.Background())) }()
				return split.Step(d)
			}
			for range made {
				require.True(t, step())
			}
			var stale smrq.Split[elem]
			reflect.ValueOf(&stale).Elem().Set(reflect.ValueOf(&split).Elem()) // vet finds an assignment
			more := step()
			require.NotEmpty(t, panicText(t, func() { stale.Step(d) }), made)
			for more {
				more = step()
			}
			require.Contains(t, panicText(t, func() { stale.Step(d) }), "a copy", made)
			require.Equal(t, []int{0, 2}, keys(q))
			require.Equal(t, []int{1, 3}, keys(into))
		}
	})
}

// Nor does a copy whose Split is over make a step of a later one of the same queues.
func TestSplit_CopyAgainstLaterSplit(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for made := range 5 {
			d := newDomain(t)
			odd := func(e *elem) bool { return e.Key%2 != 0 }
			e := queuetest.OnHeap(4)
			q, into := k.New(), k.New()
			insertAll(q, e...)
			var stale smrq.Split[elem]
			split := q.SplitInto(into, odd)
			for n := 0; ; n++ {
				if n == made {
					reflect.ValueOf(&stale).Elem().Set(reflect.ValueOf(&split).Elem())
				}
				if !split.Step(d) {
					break
				}
				require.NoError(t, d.Synchronize(context.Background()))
			}
			into.Remove(e[1])
			into.Remove(e[3])
			require.NoError(t, d.Synchronize(context.Background()))
			q.InsertHead(e[1])
			later := q.SplitInto(into, odd)
			for range 2 {
				require.Contains(t, panicText(t, func() { stale.Step(d) }), "a copy", made)
				require.Contains(t, panicText(t, func() { q.Remove(e[0]) }), "being split")
				later.Step(d)
				require.NoError(t, d.Synchronize(context.Background()))
			}
			steps(t, d, &later, func() {})
			require.Equal(t, []int{0, 2}, keys(q))
			require.Equal(t, []int{1}, keys(into))
		}
	})
}

// A goal of one domain says nothing of another's readers.
func TestSplit_OtherDomain(t *testing.T) {
	d, other := newDomain(t), newDomain(t)
	q, into := smrq.NewList(nodeLink), smrq.NewList(nodeLink)
	q.InsertHead(new(node))
	split := q.Split(into, func(*node) bool { return true })
	require.True(t, split.Step(d))
	require.Contains(t, panicText(t, func() { split.Step(other) }), other.Name())
	for split.Step(d) {
	}
}

// Once they have their room, neither a split nor a merge allocates.
func TestSplit_NoAllocations(t *testing.T) {
	if invariants.Enabled {
		t.Skip("with -tags invariants Unpublish notes the goals of all domains")
	}
	d := newDomain(t)
	nodes := make([]node, 4)
	q, into, merged := smrq.NewTailQ(nodeLink), smrq.NewTailQ(nodeLink), smrq.NewTailQ(nodeLink)
	for i := range nodes {
		nodes[i].key = i
		q.InsertTail(&nodes[i])
	}
	odd := func(n *node) bool { return n.key%2 != 0 }
	require.Zero(t, testing.AllocsPerRun(100, func() {
		split := q.Split(into, odd)
		for split.Step(d) {
		}
		merged.Append(q)
		merged.Append(into)
		q.Unpublish()
		into.Unpublish()
		q.Init()
		into.Init()
		q.Append(merged)
		merged.Init()
	}))
}

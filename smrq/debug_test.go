//go:build invariants

package smrq_test

import (
	"context"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit/queuetest"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrq"
)

func TestInvariants_WritersLockNotHeld(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		var mu sync.Mutex
		q, src, moved := k.New(), k.New(), k.New()
		k.New().AppendFrom(moved)
		moved.GuardedBy(&mu)
		q.GuardedBy(&mu)
		e := queuetest.OnHeap(5)
		all := func(*elem) bool { return true }
		halves := [2]queuetest.Queue{k.New(), k.New()}
		insertAll(halves[0], e[3], e[4])
		split := halves[0].SplitInto(halves[1], all)
		halves[0].GuardedBy(&mu)
		mu.Lock()
		insertAll(q, e[0], e[1])
		c := q.Cursor()
		c.Step()
		mu.Unlock()
		writes := map[string]func(){
			"Init":            q.Init,
			"FirstSerialized": func() { q.FirstSerialized() },
			"NextSerialized":  func() { q.NextSerialized(e[0]) },
			"AllSerialized":   func() { q.AllSerialized()(func(*queuetest.Elem) bool { return true }) },
			"InsertHead":      func() { q.InsertHead(e[2]) },
			"InsertAfter":     func() { q.InsertAfter(e[0], e[2]) },
			"Remove":          func() { q.Remove(e[0]) },
			"Replace":         func() { q.Replace(e[0], e[2]) },
			"Append":          func() { src.AppendFrom(q) },
			"Unpublish":       moved.Unpublish,
			"Split":           func() { src.SplitInto(q, all) },
			"Split.Step":      func() { split.Step(newDomain(t)) },
			"Cursor":          func() { q.Cursor() },
			"Cursor.Next":     c.Next,
			"Cursor.Erase":    func() { c.Erase() },
			"Verify":          func() { q.Verify() },
		}
		if q, ok := q.(queuetest.Tailed); ok {
			writes["InsertTail"] = func() { q.InsertTail(e[2]) }
		}
		for name, write := range writes {
			text := panicText(t, write)
			require.Contains(t, text, name)
			require.Contains(t, text, "is not held")
		}
		mu.Lock()
		defer mu.Unlock()
		require.Equal(t, []int{0, 1}, keys(q))
	})
}

func TestInvariants_ReadersSectionNotOpen(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		d := newDomain(t)
		q := k.New()
		e := queuetest.OnHeap(1)[0]
		q.InsertHead(e)
		s := d.Enter()
		require.Same(t, e, q.First(s))
		s.Leave()
		for _, s := range []smr.Section{{}, s} {
			require.Panics(t, func() { q.First(s) })
			require.Panics(t, func() { q.Next(s, e) })
			require.Panics(t, func() {
				for range q.All(s) {
				}
			})
		}
	})
}

// So it may if its domain is about to be closed, which waits for it.
func TestInvariants_OldReaderOfClosingDomain(t *testing.T) {
	d := newDomain(t)
	q, src := smrq.NewList(nodeLink), smrq.NewList(nodeLink)
	src.InsertHead(new(node))
	s := d.Enter()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	within(t, func() {
		done := make(chan struct{})
		go func() { // d.Close would find this goroutine's own section
			defer close(done)
			require.ErrorIs(t, d.Close(ctx), context.Canceled)
		}()
		<-done
	})
	q.Append(src)
	src.Unpublish()
	require.NotNil(t, src.First(s))
	s.Leave()
}

// A writer that is called in a section panics, and the table is as useful as before.
func TestInvariants_TableWriterInSection(t *testing.T) {
	tab := newTable(newDomain(t))
	want := make(map[uint64]*entry)
	for key := range uint64(10) {
		want[key] = &entry{key: key}
		tab.insert(want[key])
	}
	tab.dom.Read(func(smr.Section) {
		require.Contains(t, panicText(t, tab.fit), "inside a section")
		require.Contains(t, panicText(t, func() { tab.remove(1) }), "inside a section")
	})
	for key := range want {
		require.Same(t, want[key], tab.remove(key))
		delete(want, key)
	}
	tab.check(t, want)
}

// A reader may come by an unpublished head if its section was entered before, and not once that is
// over.
func TestInvariants_NewReaderOfUnpublished(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		d := newDomain(t)
		q, src := k.New(), k.New()
		e := queuetest.OnHeap(2)
		insertAll(src, e...)
		before := d.Enter()
		q.AppendFrom(src)
		src.Unpublish()
		require.Equal(t, []int{0, 1}, readKeys(src, before))
		before.Leave()

		s := d.Enter()
		src.Unpublish() // does nothing: the first one counts
		const found = "a new reader comes by its head"
		require.Contains(t, panicText(t, func() { src.First(s) }), found)
		require.Contains(t, panicText(t, func() { readKeys(src, s) }), found)
		require.Equal(t, []int{0, 1}, readKeys(q, s))
		src.Init()
		require.Nil(t, src.First(s))
		s.Leave()
	})
}

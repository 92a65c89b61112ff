package smrq_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/testkit/queuetest"
)

func TestCursor_OnceAStep(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(3)
		q := k.New()
		insertAll(q, e...)
		c := q.Cursor()
		require.Nil(t, c.Elem())
		const noStep = "no step is open"
		require.Contains(t, panicText(t, c.Next), noStep)
		require.Contains(t, panicText(t, func() { c.Erase() }), noStep)
		require.True(t, c.Step())
		require.Same(t, e[0], c.Elem())
		require.Same(t, e[0], c.Elem(), "looking decides nothing")
		require.Contains(t, panicText(t, func() { c.Step() }), "neither Next nor Erase")
		require.Same(t, e[0], c.Erase())
		require.Nil(t, c.Elem())
		require.Contains(t, panicText(t, func() { c.Erase() }), noStep)
		require.Contains(t, panicText(t, c.Next), noStep)
		require.True(t, c.Step())
		c.Next()
		require.Contains(t, panicText(t, func() { c.Erase() }), noStep)
		require.True(t, c.Step())
		require.Same(t, e[2], c.Erase())
		require.False(t, c.Step())
		require.False(t, c.Step())
		require.Contains(t, panicText(t, c.Next), noStep)
		require.Equal(t, []int{1}, keys(q))
		require.NoError(t, q.Verify())
	})
}

// A cursor whose surroundings were changed by other means panics, and does not
// erase from where its predecessor was.
func TestCursor_Stale(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		changes := map[string]func(q queuetest.Queue, e []*queuetest.Elem){
			"PredecessorRemoved":   func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[1]) },
			"PredecessorReplaced":  func(q queuetest.Queue, e []*queuetest.Elem) { q.Replace(e[1], e[5]) },
			"PredecessorMoved":     func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[1]); q.InsertHead(e[1]) },
			"PredecessorElsewhere": func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[1]); insertAll(k.New(), e[1]) },
			"InsertedBetween":      func(q queuetest.Queue, e []*queuetest.Elem) { q.InsertAfter(e[1], e[5]) },
			"CurrentRemoved":       func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[2]) },
			"CurrentReplaced":      func(q queuetest.Queue, e []*queuetest.Elem) { q.Replace(e[2], e[5]) },
			"CurrentMoved":         func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[2]); q.InsertHead(e[2]) },
			"Appended":             func(q queuetest.Queue, e []*queuetest.Elem) { insertedBefore(k, e[5]).AppendFrom(q) },
		}
		for name, change := range changes {
			t.Run(name, func(t *testing.T) {
				for _, erase := range []bool{false, true} {
					e := queuetest.OnHeap(6)
					q := k.New()
					insertAll(q, e[:5]...)
					c := q.Cursor()
					for range 2 {
						require.True(t, c.Step())
						c.Next()
					}
					require.True(t, c.Step())
					change(q, e)
					if name == "Appended" {
						require.Panics(t, func() { c.Next() })
						continue
					}
					want := keys(q)
					if erase {
						require.Panics(t, func() { c.Erase() })
					} else {
						require.Panics(t, c.Next)
					}
					require.Equal(t, want, keys(q))
					require.NoError(t, q.Verify())
				}
			})
		}
	})
}

// insertedBefore returns a queue that has e already, so that appending to it does
// not take over the source's number.
func insertedBefore(k queuetest.Kind, e *queuetest.Elem) queuetest.Queue {
	q := k.New()
	q.InsertHead(e)
	return q
}

// Changes elsewhere in the queue do not disturb a cursor.
func TestCursor_ChangesElsewhere(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(7)
		q := k.New()
		insertAll(q, e[:5]...)
		c := q.Cursor()
		for range 2 {
			c.Step()
			c.Next()
		}
		c.Step()
		q.Remove(e[0])
		q.Remove(e[3])
		q.InsertHead(e[5])
		q.InsertAfter(e[2], e[6])
		require.Same(t, e[2], c.Erase())
		c.Step()
		require.Same(t, e[6], c.Elem())
		c.Next()
		c.Step()
		require.Same(t, e[4], c.Erase())
		require.False(t, c.Step())
		require.Equal(t, []int{5, 1, 6}, keys(q))
		require.NoError(t, q.Verify())
	})
}

// At the first element there is no predecessor that could be checked instead of the
// element itself.
func TestCursor_StaleAtFirst(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		for name, change := range map[string]func(q queuetest.Queue, e []*queuetest.Elem){
			"Removed":      func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[0]) },
			"Replaced":     func(q queuetest.Queue, e []*queuetest.Elem) { q.Replace(e[0], e[3]) },
			"Elsewhere":    func(q queuetest.Queue, e []*queuetest.Elem) { q.Remove(e[0]); k.New().InsertHead(e[0]) },
			"NextAtCursor": func(q queuetest.Queue, e []*queuetest.Elem) { q.Init() },
		} {
			e := queuetest.OnHeap(4)
			q := k.New()
			insertAll(q, e[:3]...)
			c := q.Cursor()
			c.Step()
			change(q, e)
			want := keys(q)
			require.Panics(t, func() { c.Erase() }, name)
			require.Equal(t, want, keys(q))
			require.NoError(t, q.Verify())
		}

		// Step does not lead to an element that is gone.
		e := queuetest.OnHeap(3)
		q := k.New()
		insertAll(q, e...)
		c := q.Cursor()
		c.Step()
		c.Erase()
		q.Remove(e[1])
		require.Contains(t, panicText(t, func() { c.Step() }), "it is in no queue")
		require.Nil(t, c.Elem())
	})
}

// Elements may go to the head, from where the cursor has been.
func TestCursor_MoveToHead(t *testing.T) {
	forEach(t, func(t *testing.T, k queuetest.Kind) {
		e := queuetest.OnHeap(4)
		q := k.New()
		insertAll(q, e...)
		for c := q.Cursor(); c.Step(); {
			if c.Elem().Key%2 == 0 {
				q.InsertHead(c.Erase())
			} else {
				c.Next()
			}
		}
		require.Equal(t, []int{2, 0, 1, 3}, keys(q))
		require.NoError(t, q.Verify())
	})
}

package smrq

// A Cursor is a writer's walk that can take elements out as it goes, in O(1) on
// every kind, since it knows the predecessor. Each step decides once, with Next or
// Erase:
//
//	for c := q.Cursor(); c.Step(); {
//		if c.Elem().expired(now) {
//			smr.Call(dom, c.Erase(), size, free)
//		} else {
//			c.Next()
//		}
//	}
//
// Next and Erase panic outside a step and when called twice in one, and Step when
// the one before decided nothing. Between two calls others must not write to the
// queue. What the cursor's own user does to it with other methods is allowed as
// far as the cursor's element, and the one before it, stay in place beside each
// other; if not, the cursor panics. So elements may be erased and inserted again at
// the head, and inserted after the cursor's, where they are met, or at the tail,
// unless the cursor got there before.
type Cursor[T any] struct {
	q       *queue[T]
	at, cur *Link[T] // cur is the current element, at the one before, or nil
	open    bool     // a step is open: Next or Erase is due
}

// Cursor returns a cursor before the first step.
func (q *queue[T]) Cursor() Cursor[T] {
	const op = "Cursor"
	q.writing(op)
	q.checkReady(op)
	return Cursor[T]{q: q, cur: q.head.LoadSerialized()}
}

// Step begins a step. It reports false at the end of the queue.
func (c *Cursor[T]) Step() bool {
	if c.open {
		c.q.broken("Cursor.Step", c.cur, "the step before called neither Next nor Erase")
	}
	if c.cur == nil {
		return false
	}
	c.checkPlace("Cursor.Step")
	c.open = true
	return true
}

// Elem returns the element of the step, nil outside one.
func (c *Cursor[T]) Elem() *T {
	if !c.open {
		return nil
	}
	return c.q.elem(c.cur)
}

// Next ends the step and leaves its element in the queue.
func (c *Cursor[T]) Next() {
	const op = "Cursor.Next"
	c.decide(op)
	c.at, c.cur = c.cur, c.cur.next.LoadSerialized()
}

// Erase ends the step, takes its element out of the queue and returns it. Readers
// may stand on it until the next grace period.
func (c *Cursor[T]) Erase() *T {
	const op = "Cursor.Erase"
	c.decide(op)
	l := c.cur
	c.q.checkRemovable(op, l)
	c.q.unlink(op, c.at, l)
	c.cur = l.next.LoadSerialized()
	return c.q.elem(l)
}

// decide ends the step.
func (c *Cursor[T]) decide(op string) {
	q := c.q
	q.writing(op)
	if !c.open {
		q.broken(op, c.cur, "no step is open: Next or Erase was called before, or Step was not, or returned false")
	}
	c.open = false
	c.checkPlace(op)
}

// checkPlace panics unless the cursor's two elements are where they were. At the
// head others may have been inserted before them.
func (c *Cursor[T]) checkPlace(op string) {
	q := c.q
	q.checkReady(op)
	q.checkOwner(op, c.cur)
	if c.at == nil && q.head.LoadSerialized() != c.cur {
		c.at = q.before(op, c.cur)
	}
	if c.at != nil && c.at.owner&idMask != q.id || q.nextOf(c.at).LoadSerialized() != c.cur {
		q.broken(op, c.cur, "stale cursor: %s, the element before it, was removed or moved, or others inserted between them", q.name(c.at))
	}
}

package smrq

// A Cursor is a writer's walk that can remove elements as it goes. It knows the predecessor, so
// removing is O(1) on every kind of queue. Each step ends with exactly one Next or Erase:
//
//	for c := q.Cursor(); c.Step(); {
//		if c.Elem().expired(now) {
//			smr.Call(dom, c.Erase(), size, free)
//		} else {
//			c.Next()
//		}
//	}
//
// Next and Erase panic outside a step, and Step panics inside one. Hold the writers' lock while the
// cursor is in use. The same writer may use other methods of the queue as long as the cursor's
// element and the one before it stay adjacent; else the cursor panics. So it may insert at the
// head, after the cursor's element (the cursor meets the new one), or at the tail (the cursor meets
// it unless it has reached the end).
type Cursor[T any] struct {
	q       *queue[T]
	at, cur *Link[T] // cur is the current element, at the one before it (nil: the head)
	open    bool     // between Step and Next or Erase
}

// Cursor returns a cursor before the first step.
func (q *queue[T]) Cursor() Cursor[T] {
	const op = "Cursor"
	q.writing(op)
	q.checkReady(op)
	return Cursor[T]{q: q, cur: q.head.LoadSerialized()}
}

// Step begins a step. It returns false at the end of the queue.
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

// Elem returns the element of the step, or nil outside a step.
func (c *Cursor[T]) Elem() *T {
	if !c.open {
		return nil
	}
	return c.q.elem(c.cur)
}

// Next ends the step and keeps its element in the queue.
func (c *Cursor[T]) Next() {
	c.decide("Cursor.Next")
	c.at, c.cur = c.cur, c.cur.next.LoadSerialized()
}

// Erase ends the step, removes its element from the queue and returns it. Readers may be at it
// until a grace period is over.
func (c *Cursor[T]) Erase() *T {
	const op = "Cursor.Erase"
	c.decide(op)
	l := c.cur
	c.q.checkRemovable(op, l)
	c.q.unlink(op, c.at, l)
	c.cur = l.next.LoadSerialized()
	return c.q.elem(l)
}

// decide ends the step, for Next and Erase.
func (c *Cursor[T]) decide(op string) {
	q := c.q
	q.writing(op)
	if !c.open {
		q.broken(op, c.cur, "no step is open: Next or Erase was called before, or Step was not, or returned false")
	}
	c.open = false
	c.checkPlace(op)
}

// checkPlace panics unless the cursor's two elements are still adjacent. If the cursor was at the
// head, elements may have been inserted before it.
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

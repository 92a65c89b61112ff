package smr

// outstanding lists chunks that are taken in and not finished, by ticket.
type outstanding struct {
	oldest, newest *chunk
	n              int
	lastTicket     uint64
}

// add appends c, with the next ticket.
func (l *outstanding) add(c *chunk) {
	l.lastTicket++
	c.ticket = l.lastTicket
	c.older, c.newer = l.newest, nil
	if l.newest == nil {
		l.oldest = c
	} else {
		l.newest.newer = c
	}
	l.newest = c
	l.n++
}

// addParts adds chunks with a part of the calls of one that is in another list, and has ticket. Few
// are younger: those of other workers.
func (l *outstanding) addParts(parts []*chunk, ticket uint64) {
	at := l.newest
	for at != nil && at.ticket > ticket {
		at = at.older
	}
	for _, c := range parts {
		c.ticket = ticket
		next := l.oldest
		if at != nil {
			next = at.newer
			at.newer = c
		} else {
			l.oldest = c
		}
		if c.older, c.newer = at, next; next != nil {
			next.older = c
		} else {
			l.newest = c
		}
		at = c
		l.n++
	}
}

// passed reports whether no chunk up to the ticket is there.
func (l *outstanding) passed(ticket uint64) bool { return l.oldest == nil || l.oldest.ticket > ticket }

// remove takes a finished chunk out.
func (l *outstanding) remove(c *chunk) {
	l.n--
	if c.older == nil {
		l.oldest = c.newer
	} else {
		c.older.newer = c.newer
	}
	if c.newer == nil {
		l.newest = c.older
	} else {
		c.newer.older = c.older
	}
	c.older, c.newer = nil, nil
}

// A chunkQueue is a FIFO of chunks.
type chunkQueue struct {
	head, tail *chunk
	n          int
	popped     uint64 // in all
	amount            // of the chunks in it
}

// push puts c at the end.
func (q *chunkQueue) push(c *chunk) {
	c.next = nil
	if q.head == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
	q.n++
	q.add(c.amount())
}

// insert puts c behind the chunks whose goals are not after c's. That is nearly always the end,
// because a chunk is handed over just after its goal is taken.
func (q *chunkQueue) insert(c *chunk) {
	if q.head == nil || !c.goal.Before(q.tail.goal) {
		q.push(c)
		return
	}
	at := &q.head
	for !c.goal.Before((*at).goal) {
		at = &(*at).next
	}
	c.next = *at
	*at = c
	q.n++
	q.add(c.amount())
}

// pop takes the first chunk, or returns nil.
func (q *chunkQueue) pop() *chunk {
	c := q.head
	if c != nil {
		q.head = c.next
		c.next = nil
		q.n--
		q.popped++
		q.sub(c.amount())
	}
	return c
}

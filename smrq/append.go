package smrq

// After Append the head of the source still leads to what was its first element. That must stay in
// its queue while new readers come by the head: until Init clears the head, or Unpublish says that
// there are none. An element counts the heads that it stays for, as loans, in its owner.

// append moves the elements of src, in order, to the end of q.
func (q *queue[T]) append(src *queue[T]) {
	const op = "Append"
	q.writing(op)
	src.writing(op)
	if q == src {
		q.broken(op, nil, "source and destination are the same queue")
	}
	q.checkReady(op)
	src.checkReady(op)
	if q.off != src.off {
		q.broken(op, nil, "the source uses another Link of its elements")
	}
	last, first := q.last(op), src.head.LoadSerialized()
	if first == nil {
		src.checkTail(op, nil, nil)
		src.lend()
		return
	}
	src.checkTail(op, src.tail, src.nextOf(src.tail).LoadSerialized())
	if q.kind&double != 0 && first.prev != nil {
		src.broken(op, first, "it is the first one, and points back at %s", src.name(first.prev))
	}
	if first.owner/oneLoan == maxLoans {
		src.broken(op, first, "%d queues that were appended still lead to it: that needs Unpublish of some first", maxLoans)
	}
	if last == nil {
		q.id = src.id
	} else {
		src.checkTail(op, src.walkTo(op, nil), nil)
		for l := first; l != nil; l = l.next.LoadSerialized() {
			l.owner += q.id - src.id // the loans stay as they are
		}
	}

	first.owner += oneLoan
	q.loans = true
	if q.kind&double != 0 {
		first.prev = last
	}
	if q.kind&tailed != 0 {
		q.tail = src.tail
	}
	q.nextOf(last).Store(first)
	src.lend()
}

// lend makes q a queue whose head leads to another's elements, or to none.
func (q *queue[T]) lend() {
	q.state = lending
	q.id = 0 // until Init: a walk by AllSerialized ends here
}

// endLoan makes the element to which the head of a lending queue leads removable.
func (q *queue[T]) endLoan(op string) {
	first := q.head.LoadSerialized()
	if q.state != lending || first == nil {
		return
	}
	if first.owner < oneLoan {
		q.broken(op, first, "its Link was overwritten since Append")
	}
	first.owner -= oneLoan
}

// checkNoLoans panics if the head of an appended queue leads to an element of q, which is ready.
func (q *queue[T]) checkNoLoans(op string) {
	for w := q.walk(); w.at != nil; w.step() {
		if found := w.wrong(); found != "" {
			q.broken(op, w.at, "%s", found)
		}
		q.checkRemovable(op, w.at)
	}
}

// Unpublish makes removable what was the first element of this queue when Append took it. By it the
// writer promises that no new reader comes by this queue's head: what led readers here has been
// changed (a new array of heads was published, say), and each section in which the head is still
// loaded was entered before that.
//
// Then the element may be removed or replaced at once. Two ways lead to it: this head, and the queue
// that it is in. When its grace period begins, both are closed to new readers, so it covers all that
// can be there.
//
// The head stays as it is. A reader that still comes by it finds the element, removed or not, and
// goes on as from any element that was removed under it: it may see what has been removed since its
// section was entered, and sees what has stayed since then exactly once.
//
// If the promise is broken, a reader finds what was freed. Under -tags invariants it panics instead,
// once a grace period since Unpublish is over. Unpublish panics if no Append has taken the queue's
// elements; a second call does nothing. After it, drop the queue, or wait for a grace period before
// Init, which hides the elements from the readers that still come.
func (q *queue[T]) Unpublish() {
	const op = "Unpublish"
	q.writing(op)
	if q.state == unmade {
		q.notReady(op)
	}
	if q.state != lending && q.state != unpublished {
		q.broken(op, nil, "no Append has moved its elements")
	}
	q.endLoan(op)
	q.state = unpublished
	q.hide()
}

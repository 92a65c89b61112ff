package smrq

import "github.com/gosmr/gosmr/smr"

// A Split divides a queue in two while readers walk it, as a hash table does to grow. At first two
// heads lead into one chain. It is then taken apart step by step, so that no reader misses an
// element of the queue by which it came:
//
//	Split       q ─▶ 1 ─▶ 2 ─▶ 3 ─▶ 4 ─▶ 5         into gets 3 and 4
//	         into ─────────────┘
//
//	a step      q ─▶ 1 ─▶ 2 ────────────▶ 5         2 bypasses 3 and 4;
//	         into ───────────▶ 3 ─▶ 4 ───┘          a reader of q at 3 still finds 5
//
//	a step      q ─▶ 1 ─▶ 2 ────────────▶ 5
//	         into ───────────▶ 3 ─▶ 4
//
// Each step makes one queue bypass a run of the other's elements. A reader inside the run relies on
// its last element to lead it out. So the next step, which changes that one, waits for a grace
// period. The first step waits, too: for readers that came by q for what into gets. So a writer does
//
//	split := q.Split(into, pick)
//	// Now readers of what was picked are sent to into.
//	for split.Step(dom) {
//		dom.Synchronize(ctx)
//	}
//
// If many queues are split, let each round make a step of each: they share its grace period. Until
// the last step readers may meet elements of the other queue, which they tell by the key; and the
// writers' methods of both queues panic: two elements may lead to one, which can't be removed then.
//
// Idea: the unzipping of Triplett, McKenney and Walpole's relativistic hash tables (USENIX ATC
// 2011), by which XNU's smr_hash grows. That Step itself asks whether the grace period is over is
// added here.
type Split[T any] struct {
	own, other *queue[T] // nil once done
	at         *Link[T]  // own's element (nil: its head) that leads to a run of the other's
	goal       smr.Seq   // reached when no reader relies on that; 0 before the first Step
}

// split begins to move the elements that pick picks from q to into.
func (q *queue[T]) split(into *queue[T], pick func(*T) bool) Split[T] {
	const op = "Split"
	q.checkSplit(op, into)
	var last, lastPicked *Link[T] // so far
	var first, at *Link[T]        // the first that was picked, and the one before it
	for l := q.head.LoadSerialized(); l != nil; l = l.next.LoadSerialized() {
		if !pick(q.elem(l)) {
			q.follow(l, last)
			last = l
			continue
		}
		if first == nil {
			first, at = l, last
		}
		l.owner += into.id - q.id // the loans stay as they are
		q.follow(l, lastPicked)
		lastPicked = l
	}
	if first == nil {
		return Split[T]{}
	}
	if q.kind&tailed != 0 {
		q.tail, into.tail = last, lastPicked
	}
	q.state, into.state = splitting, splitting
	into.head.Store(first)
	return Split[T]{own: q, other: into, at: at}
}

// follow makes l follow prev in the words that only writers use.
func (q *queue[T]) follow(l, prev *Link[T]) {
	if q.kind&double != 0 {
		l.prev = prev
	}
}

// checkSplit panics unless q can be split, and into takes a part.
func (q *queue[T]) checkSplit(op string, into *queue[T]) {
	q.writing(op)
	into.writing(op)
	q.checkReady(op)
	into.checkReady(op)
	switch {
	case q == into:
		q.broken(op, nil, "the two are the same queue")
	case into.head.LoadSerialized() != nil:
		into.broken(op, nil, "it is to take a part, and is not empty")
	case q.off != into.off:
		q.broken(op, nil, "the other queue uses another Link of its elements")
	}
	q.checkTail(op, q.walkTo(op, nil), nil)
}

// Step makes the next step, unless readers may still rely on what that changes, and reports whether
// there is more to do. If so, wait for a grace period and call it again. If not, both queues are
// ready for everything.
//
// dom is the domain of all readers of the queues. The first Step only begins a grace period: send
// readers of into's elements there before. Step never blocks, and does nothing if it is called too
// early. A split that is left half done stays safe to read, and closed to writers. Serialize Step
// with the writers of both queues.
//
// Cost: a walk of the run that is bypassed, so O(n) in all; a fence; and a scan of the readers if
// the grace period is not known to be over.
func (s *Split[T]) Step(dom *smr.Domain) (more bool) {
	if s.own == nil {
		return false
	}
	s.own.writing("Split.Step")
	s.other.writing("Split.Step")
	if s.goal != 0 {
		if !dom.Poll(s.goal) {
			dom.Commit(s.goal)
			return true
		}
		if !s.bypass() {
			return false
		}
	}
	// This goal covers the readers that entered before the store by which the step was made, and
	// so is taken after it.
	s.goal = dom.DeferredAdvance()
	return true
}

// bypass has at lead to the next element of its own queue, past a run of the other's. It reports
// whether the end of that run leads to one, which is then the next to be bypassed.
func (s *Split[T]) bypass() (more bool) {
	const op = "Split.Step"
	own, other := s.own, s.other
	slot := own.nextOf(s.at)
	end := slot.LoadSerialized()
	other.checkOwner(op, end)
	next := end.next.LoadSerialized()
	for next != nil && next.owner&idMask == other.id {
		end, next = next, next.next.LoadSerialized()
	}
	slot.StoreRelaxed(next) // it is published already
	if next == nil {
		own.state, other.state = ready, ready
		*s = Split[T]{}
		return false
	}
	own.checkOwner(op, next)
	s.own, s.other, s.at = other, own, end
	return true
}

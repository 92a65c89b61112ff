package smrq

import (
	"sync"

	"github.com/gosmr/gosmr/smr"
)

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
// period. The first step waits, too: for readers that came by q for what into gets. The last step
// changes nothing: it waits for the readers that are still among the elements of the other queue. So
// a writer does
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
// Do not copy a Split. Step panics if it finds that a copy made a step.
//
// Idea: the unzipping of Triplett, McKenney and Walpole's relativistic hash tables (USENIX ATC
// 2011), by which XNU's smr_hash grows. That Step itself asks whether the grace period is over is
// added here.
type Split[T any] struct {
	_ [0]sync.Mutex // by which vet finds copies

	own, other *queue[T]   // nil once done
	at         *Link[T]    // own's element (nil: its head) that leads to a run of the other's
	apart      bool        // no run is left, and so no at
	id         uint64      // of the queue that takes a part: given at Split, so a later one has another
	dom        *smr.Domain // of the readers; nil before the first Step
	goal       smr.Seq     // reached when no reader relies on what the next step changes
}

// split begins to move the elements that pick picks from q to into.
func (q *queue[T]) split(into *queue[T], pick func(*T) bool) Split[T] {
	const op = "Split"
	q.checkSplit(op, into)
	into.id = ids.Add(1) // it is empty

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
	return Split[T]{own: q, other: into, at: at, id: into.id}
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
// there is more to do. If so, wait for a grace period and call it again. If not, no reader of one
// queue is at an element of the other, and both queues are ready for everything.
//
// dom is the domain of all readers of the queues, the same for each Step. The first Step only begins
// a grace period. Before it, send readers of into's elements there, also those that come by the heads
// of queues that were appended: Step panics if such a head still leads to an element, and neither
// Unpublish nor Init was called. Step never blocks, and does nothing if it is called too early. A
// split that is left half done stays safe to read, and closed to writers. Serialize Step with the
// writers of both queues.
//
// Cost: a walk of the run that is bypassed and, at the first Step, of all, so O(n) in all; a fence;
// and a scan of the readers if the grace period is not known to be over.
func (s *Split[T]) Step(dom *smr.Domain) (more bool) {
	if s.own == nil {
		return false
	}
	s.check(dom)
	switch {
	case s.dom == nil:
		s.begin(dom)
	case !dom.Poll(s.goal):
		dom.Commit(s.goal)
		return true
	case s.apart:
		s.own.state, s.other.state = ready, ready
		*s = Split[T]{}
		return false
	default:
		s.bypass()
	}
	// This goal covers the readers that entered before the store by which the step was made, and so is
	// taken after it: DeferredAdvance has a fence between, which pairs with that of Advance and Commit.
	s.goal = dom.DeferredAdvance()
	return true
}

const opStep = "Split.Step"

// check panics unless s is what the two queues wait for.
func (s *Split[T]) check(dom *smr.Domain) {
	want := splitting
	if s.dom != nil {
		want = stepping
	}
	for _, q := range [...]*queue[T]{s.own, s.other} {
		q.writing(opStep)
		if q.state != want || s.own.id != s.id && s.other.id != s.id {
			q.broken(opStep, nil, "a copy of this Split made a step")
		}
	}
	if s.dom != nil && s.dom != dom {
		s.own.broken(opStep, nil, "domain %s is not that of the first Step, %s", dom.Name(), s.dom.Name())
	}
}

// begin makes the first step. It panics if new readers still come to an element by the head of an
// appended queue: they would not find all that follows.
func (s *Split[T]) begin(dom *smr.Domain) {
	for l := s.own.head.LoadSerialized(); l != nil; l = l.next.LoadSerialized() {
		q := s.own
		if l.owner&idMask == s.other.id {
			q = s.other
		}
		q.checkRemovable(opStep, l)
	}
	s.own.state, s.other.state = stepping, stepping
	s.dom = dom
}

// bypass has at lead to the next element of its own queue, past a run of the other's. If the end of
// that run leads to one, it is then the next to be bypassed.
func (s *Split[T]) bypass() {
	own, other := s.own, s.other
	if s.at != nil {
		own.checkOwner(opStep, s.at)
	}
	slot := own.nextOf(s.at)
	end := slot.LoadSerialized()
	if end == nil {
		own.broken(opStep, s.at, "its Link was overwritten since Split")
	}
	other.checkOwner(opStep, end)
	next := end.next.LoadSerialized()
	for next != nil && next.owner&idMask == other.id {
		end, next = next, next.next.LoadSerialized()
	}
	if next != nil {
		own.checkOwner(opStep, next)
	}
	slot.StoreRelaxed(next) // it is published already
	if next == nil {
		s.apart = true
		return
	}
	s.own, s.other, s.at = other, own, end
}

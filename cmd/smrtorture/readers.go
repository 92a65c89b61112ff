package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
)

// A readerKind is a way to read. A reading goroutine of the crowd changes its kind
// all the time, so that a few of them try all.
type readerKind int

const (
	readEnter readerKind = iota
	readPin
	readReader
	readQuiescent
	readNested
	readHandover
	readBurst
	numStints

	// Not drawn: readers of other parts.
	readDuel readerKind = iota - 1
	readOverlap
	readWorld
	readQueue
	readMap
	readBytes
	readObject
	readFlood
	readWaited
	readGoal
	readLocked
	readStalled
	numReaderKinds
)

var readerNames = [numReaderKinds]string{
	readEnter:     "enter",
	readPin:       "pin",
	readReader:    "reader",
	readQuiescent: "quiescent",
	readNested:    "nested",
	readHandover:  "handover",
	readBurst:     "burst",
	readDuel:      "duel",
	readOverlap:   "overlap",
	readWorld:     "stw",
	readQueue:     "queue",
	readMap:       "map",
	readBytes:     "bytes",
	readObject:    "object",
	readFlood:     "flood",
	readWaited:    "waited for",
	readGoal:      "goal",
	readLocked:    "baseline",
	readStalled:   "stalled",
}

func (k readerKind) String() string { return readerNames[k] }

var stints = [numStints]func(r *reader, sections int){
	readEnter:     (*reader).entering,
	readPin:       (*reader).pinning,
	readReader:    (*reader).registered,
	readQuiescent: (*reader).quiescent,
	readNested:    (*reader).nesting,
	readHandover:  (*reader).handingOver,
	readBurst:     (*reader).bursting,
}

// A reader is one reading goroutine, or one that it started.
type reader struct {
	shelf *shelf
	rng   *rand.Rand
	kinds []readerKind // to draw from
	awake int          // one stint in so many has long stays
	gate  *gate
	drag  *drag // of a duel
	view  view

	kind   readerKind // of the present stint
	sleepy bool       // the present stint has long stays

	// count is of the present stint. A stint has no atomic counters of its own:
	// they would be fences, and make up for one that is missing in the library.
	count readCount

	asked atomic.Bool // a Quiescent should report soon; written by waiters
}

// Sections of a stint. Stints are so short, and the reader yields after each,
// because processors are few: a grace period waits for every goroutine that was
// suspended in a section to have its turn.
const (
	maxStint       = 256
	maxSleepyStint = 16
)

// run reads until ctx ends, in stints of one kind.
func (r *reader) run(ctx context.Context, p *pulse, tally *readTally) {
	for ctx.Err() == nil {
		r.gate.pass()
		r.kind = r.kinds[r.rng.IntN(len(r.kinds))]
		r.sleepy = r.rng.IntN(r.awake) == 0
		most := maxStint
		if r.sleepy {
			most = maxSleepyStint
		}
		stints[r.kind](r, 1+r.rng.IntN(most))
		tally.take(r.kind, &r.count)
		p.beat()
		runtime.Gosched()
	}
}

// child returns a reader for a goroutine that r starts. r adds its count to its
// own when the goroutine is done.
func (r *reader) child() *reader {
	return &reader{
		shelf:  r.shelf,
		rng:    fork(r.rng),
		kind:   r.kind,
		sleepy: r.sleepy,
	}
}

func (r *reader) some() int { return 1 + r.rng.IntN(3) }

// visit reads in section s, which is open and is left by it.
func (r *reader) visit(s smr.Section, st stay) {
	r.view.load(r.shelf, s, r.rng, 1)
	st.pass(r.rng)
	r.view.verify(s)
	s.Leave()
	r.settle(s)
}

func (r *reader) settle(s smr.Section) {
	r.view.settle(s, r.kind, &r.count, r.shelf.faults)
}

func (r *reader) entering(sections int) {
	for range sections {
		st := drawStay(r.rng, r.sleepy)
		r.visit(r.shelf.dom.Enter(), st)
	}
}

func (r *reader) pinning(sections int) {
	for range sections {
		st := drawPinnedStay(r.rng)
		r.visit(r.shelf.dom.Pin(), st)
	}
}

func (r *reader) registered(sections int) {
	rd := r.shelf.dom.NewReader()
	defer rd.Close()
	for range sections {
		st := drawStay(r.rng, r.sleepy)
		r.visit(rd.Enter(), st)
	}
}

// quiescent holds elements across several reads, from one quiescent state to the
// next. It reports soon when it is asked to, and now and then goes offline.
func (r *reader) quiescent(sections int) {
	q := r.shelf.dom.NewQuiescent(func() { r.asked.Store(true) })
	defer q.Close()
	q.Online()
	for range sections {
		s := q.Section()
		for range r.some() {
			r.view.load(r.shelf, s, r.rng, r.some())
			drawStay(r.rng, r.sleepy).pass(r.rng)
			if r.asked.Load() {
				r.asked.Store(false)
				break
			}
		}
		s.Leave() // does nothing: the elements are still protected
		r.view.verify(s)
		if r.rng.IntN(16) != 0 {
			q.Quiesce()
			r.settle(s)
			continue
		}
		q.Offline()
		r.settle(s)
		drawStay(r.rng, r.sleepy).pass(r.rng)
		q.Online()
	}
}

// nesting opens two sections at a time and leaves one of them early. What was
// loaded while both were open stays protected by the other.
func (r *reader) nesting(sections int) {
	dom, v := r.shelf.dom, &r.view
	rd := dom.NewReader()
	defer rd.Close()
	for range sections {
		var early, late smr.Section
		st := drawStay(r.rng, r.sleepy)
		short := drawPinnedStay(r.rng)
		switch r.rng.IntN(6) {
		case 0:
			late, early = dom.Enter(), dom.Enter()
			v.load(r.shelf, early, r.rng, 2)
			early.Leave()
		case 1: // overlapping: the one that was opened first is left first
			early, late = dom.Enter(), dom.Enter()
			v.load(r.shelf, late, r.rng, 2)
			early.Leave()
		case 2:
			late, early = dom.Enter(), dom.Pin()
			v.load(r.shelf, early, r.rng, 2)
			short.pass(r.rng)
			early.Leave()
		case 3: // a Reader has one record: the second section is on another
			late, early = rd.Enter(), rd.Enter()
			v.load(r.shelf, early, r.rng, 2)
			early.Leave()
		case 4:
			early, late = rd.Enter(), rd.Enter()
			v.load(r.shelf, late, r.rng, 2)
			early.Leave()
		case 5: // pinned to the end
			late, early = dom.Pin(), dom.Pin()
			v.load(r.shelf, early, r.rng, 2)
			early.Leave()
			st = short
		}
		r.visit(late, st)
	}
}

// handingOver opens sections and leaves what was loaded, and the leaving, to
// another goroutine. Several may be on their way.
func (r *reader) handingOver(sections int) {
	type loan struct {
		s    smr.Section
		view view
	}
	loans := make(chan loan, 4)
	leaver := r.child()
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer r.shelf.faults.catch("a goroutine that leaves another's sections")
		for l := range loans {
			drawStay(leaver.rng, leaver.sleepy).pass(leaver.rng)
			leaver.view = l.view
			leaver.visit(l.s, drawStay(leaver.rng, leaver.sleepy))
		}
	}()
	for range sections {
		s := r.shelf.dom.Enter()
		r.view.load(r.shelf, s, r.rng, r.some())
		loans <- loan{s, r.view}
		r.view = view{}
	}
	close(loans)
	<-done
	r.count.add(&leaver.count)
}

// bursting starts goroutines that read once and exit.
func (r *reader) bursting(sections int) {
	for sections > 0 {
		children := make([]*reader, min(sections, 1+r.rng.IntN(16)))
		sections -= len(children)
		var wg sync.WaitGroup
		for i := range children {
			c := r.child()
			children[i] = c
			wg.Go(func() {
				defer c.shelf.faults.catch("a goroutine that reads once")
				switch c.rng.IntN(3) {
				case 0:
					c.entering(1)
				case 1:
					c.pinning(1)
				case 2:
					c.registered(1)
				}
			})
		}
		wg.Wait()
		for _, c := range children {
			r.count.add(&c.count)
		}
	}
}

package main

import (
	"context"
	"math/rand/v2"
	"runtime"
	"sync/atomic"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
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
	readWorld
	numStints

	// Not drawn: readers of other parts.
	readDuel readerKind = iota - 1
	readOverlap
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
	readWorld:     (*reader).polling,
}

// A reader is one reading goroutine, or one that it started.
type reader struct {
	shelf *shelf
	rng   *rand.Rand
	kinds []readerKind // to draw from
	awake int          // one stint in so many has long stays
	gate  *gate
	world *stw.World // of readWorld
	drag  *drag      // of a duel
	view  view

	kind   readerKind // of the present stint
	sleepy bool       // the present stint has long stays

	// count is of the present stint. A stint has no atomic counters: they would be fences, and make
	// up for one that is missing in the library.
	count readCount

	asked atomic.Bool // a Quiescent should report soon; written by waiters
}

// Sections of a stint. Stints are short, and the reader yields after each, because processors are
// few: a grace period waits until every goroutine suspended in a section has had its turn.
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

// child returns a reader for a goroutine that r starts. r adds its count to r's own when the
// goroutine is done.
func (r *reader) child() *reader {
	return &reader{
		shelf:  r.shelf,
		rng:    fork(r.rng),
		kind:   r.kind,
		sleepy: r.sleepy,
	}
}

func (r *reader) some() int { return 1 + r.rng.IntN(3) }

// visit reads in section s, which is open, and leaves it.
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

package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A writerKind is a way to wait for grace periods. A writing goroutine changes its kind all the
// time, so that elements age by all kinds in turn.
type writerKind int

const (
	writeCall writerKind = iota
	writeCallFunc
	writeSynchronize
	writePoll
	writeDeferred
	writeGiveUp
	writeBarrier
	writeDuel   // see duel.go; not drawn
	writeCookie // see goals.go; not drawn
	numWriterKinds
)

// Each kind has a name, and a weight by which it is drawn.
var writerKinds = [numWriterKinds]struct {
	name   string
	weight int
}{
	writeCall:        {"Call", 4},
	writeCallFunc:    {"CallFunc", 1},
	writeSynchronize: {"Synchronize", 2},
	writePoll:        {"Advance+Poll", 6},
	writeDeferred:    {"Deferred+Wait", 3},
	writeGiveUp:      {"Wait given up", 1},
	writeBarrier:     {"Barrier", 1},
	writeDuel:        {"duel", 0},
	writeCookie:      {"old goals", 0},
}

func (k writerKind) String() string { return writerKinds[k].name }

// chained reports whether the elements age by callbacks that each call for the next. The other
// kinds keep their elements in the writer's list.
func (k writerKind) chained() bool { return k == writeCall || k == writeCallFunc }

// allWays are all kinds that are drawn.
var allWays = []writerKind{
	writeCall, writeCallFunc, writeSynchronize, writePoll, writeDeferred, writeGiveUp, writeBarrier,
}

func drawWriterKind(rng *rand.Rand, ways []writerKind) writerKind {
	sum := 0
	for _, k := range ways {
		sum += writerKinds[k].weight
	}
	n := rng.IntN(sum)
	for _, k := range ways {
		if n -= writerKinds[k].weight; n < 0 {
			return k
		}
	}
	panic("unreachable")
}

// A writer is one writing goroutine.
type writer struct {
	shelf *shelf
	rng   *rand.Rand
	ways  []writerKind // to draw from
	tally *writeTally
	gate  *gate

	// aging holds elements that this writer unlinked and takes through their
	// grace periods.
	aging []*element
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context, p *pulse) {
	for ctx.Err() == nil {
		w.gate.pass()
		if w.rng.IntN(16) == 0 {
			w.check(w.shelf.dom.Throttle(context.Background()))
		}
		w.step(drawWriterKind(w.rng, w.ways))
		p.beat()
		runtime.Gosched()
	}
	w.finish()
}

// finish leaves the writer's aging elements to callbacks.
func (w *writer) finish() {
	for _, e := range w.aging {
		e.kind = writeCall
		w.shelf.call(e)
	}
	w.aging = nil
}

// step replaces some elements, and waits for their grace period or leaves it to callbacks.
func (w *writer) step(kind writerKind) {
	switch kind {
	case writeCall:
		w.calling()
		return
	case writeCallFunc:
		w.callingFunc()
		return
	}
	for range 1 + w.rng.IntN(4) {
		if e := w.update(kind); e != nil {
			w.aging = append(w.aging, e)
		}
	}
	var over bool
	switch kind {
	case writeSynchronize:
		over = w.synchronize()
	case writePoll:
		over = w.poll()
	case writeDeferred:
		over = w.deferred()
	case writeGiveUp:
		over = w.giveUp()
	case writeBarrier:
		over = w.barrier()
	}
	if over { // else an error was reported
		w.graceOver(kind)
	}
}

// graceOver ages the elements whose grace period is over.
func (w *writer) graceOver(kind writerKind) {
	w.tally.graces[kind].Add(1)
	w.aging = slices.DeleteFunc(w.aging, func(e *element) bool { return !w.shelf.ripen(e) })
}

// update replaces the element of some cell and returns the one it unlinked, or nil if it had no
// replacement or the cell was empty.
func (w *writer) update(kind writerKind) *element {
	var fresh *element
	if w.rng.IntN(32) != 0 { // else leave the cell empty
		reserve := 0
		if kind.chained() {
			// Chains take long. Don't let them use up the elements.
			reserve = len(w.shelf.elems) / 4
		}
		if fresh = w.shelf.take(reserve); fresh == nil {
			return nil
		}
	}
	old := w.shelf.cells[w.rng.IntN(len(w.shelf.cells))].replace(fresh)
	w.tally.updates.Add(1)
	if old != nil {
		old.age.Store(unlinked)
		old.kind = kind
		old.size = drawSize(w.rng)
	}
	return old
}

func drawSize(rng *rand.Rand) int {
	switch n := rng.IntN(64); {
	case n == 0:
		return smr.Expedite
	case n < 8:
		return 0
	default:
		return elementSize
	}
}

// elementSize is the size that most elements claim. It need not be true.
const elementSize = 1 << 10

// check reports a wait that failed although nothing ended its context.
func (w *writer) check(err error) bool {
	if err != nil {
		w.shelf.faults.add(faultWait, "a wait returned: %v", err)
	}
	return err == nil
}

// calling passes elements to Call, also inside sections, where Call is allowed and must not block.
func (w *writer) calling() {
	dom := w.shelf.dom
	for range 1 + w.rng.IntN(32) {
		e := w.update(writeCall)
		if e == nil {
			continue
		}
		switch w.rng.IntN(8) {
		case 0:
			s := dom.Enter()
			w.shelf.call(e)
			s.Leave()
		case 1:
			s := dom.Pin()
			w.shelf.call(e)
			s.Leave()
		default:
			w.shelf.call(e)
		}
	}
}

func (w *writer) callingFunc() {
	for range 1 + w.rng.IntN(16) {
		if e := w.update(writeCallFunc); e != nil {
			w.shelf.callFunc(e)
		}
	}
}

func (w *writer) synchronize() bool {
	return w.check(w.shelf.dom.Synchronize(context.Background()))
}

// poll is the fastest way from unlinking to reuse: only the clock is between them.
func (w *writer) poll() bool {
	w.await(w.shelf.dom.Advance())
	return true
}

// await polls until goal is reached.
func (w *writer) await(goal smr.Seq) {
	for tries := 0; !w.shelf.dom.Poll(goal); tries++ {
		switch {
		case tries < 10:
		case tries < 100:
			runtime.Gosched()
		default:
			time.Sleep(50 * time.Microsecond)
		}
	}
}

// deferred takes a goal and commits it in one of several ways.
func (w *writer) deferred() bool {
	dom := w.shelf.dom
	goal := dom.DeferredAdvance()
	switch w.rng.IntN(4) {
	case 0:
		dom.Commit(goal)
	case 1: // another advance reaches past it
		dom.Advance()
	case 2: // late, so that another goroutine may have
		drawStay(w.rng, w.rng.IntN(8) == 0).pass(w.rng)
		dom.Commit(goal)
		w.await(goal)
		return true
	case 3: // Wait commits it
	}
	return w.check(dom.Wait(context.Background(), goal))
}

// giveUp waits with a deadline that is often too short, and then polls to the end: giving up a wait
// must lose neither another's wake-up nor the goal.
func (w *writer) giveUp() bool {
	ctx, cancel := context.WithTimeout(context.Background(), below(w.rng, 200*time.Microsecond))
	defer cancel()
	goal := w.shelf.dom.Advance()
	err := w.shelf.dom.Wait(ctx, goal)
	if errors.Is(err, context.DeadlineExceeded) {
		w.await(goal)
		return true
	}
	return w.check(err)
}

// barrier calls from several goroutines, and so from several processors, and checks that all
// callbacks have run after Barrier, which gives the elements their grace period.
func (w *writer) barrier() bool {
	type probe struct {
		p   *shelf
		ran int // plain: Barrier must order it
	}
	probes := make([]probe, 1+w.rng.IntN(128))
	call := func(pr *probe, size int) {
		w.shelf.calls.Add(1)
		smr.Call(w.shelf.dom, pr, size, func(pr *probe) {
			pr.ran++
			pr.p.callbacks.Add(1)
		})
	}
	var wg sync.WaitGroup
	for part := range slices.Chunk(probes, 1+len(probes)/(1+w.rng.IntN(4))) {
		size := drawSize(w.rng)
		wg.Go(func() {
			defer w.shelf.faults.catch("a goroutine that calls")
			for i := range part {
				part[i].p = w.shelf
				call(&part[i], size)
			}
		})
	}
	wg.Wait()
	if !w.check(w.shelf.dom.Barrier(context.Background())) {
		return false
	}
	ran, wrong := 0, 0
	for i := range probes {
		ran += probes[i].ran
		if probes[i].ran != 1 {
			wrong++
		}
	}
	if wrong > 0 {
		w.shelf.faults.add(faultBarrier, "%d callbacks of %d calls had run after Barrier, %d not once",
			ran, len(probes), wrong)
		return false
	}
	return true
}

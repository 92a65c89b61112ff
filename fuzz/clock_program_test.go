package fuzz

import (
	"context"
	"fmt"
	"reflect"
	"sync/atomic"
	"testing/synctest"
	"unsafe"

	"github.com/gosmr/gosmr/clock"
)

// The operations of a program on a clock, each a byte modulo their number, and the bytes that
// follow it.
const (
	opAdvance   = iota
	opDefer     // DeferredAdvance
	opCommit    // goal
	opPoll      // goal
	opWait      // goal; with a context that has ended
	opAwait     // goal; in a goroutine of its own
	opCancel    // which waiter
	opEnter     // 0: a tracker; else one of the readers
	opLeave     // which section, open or not
	opQuiescent // which, and what: online, quiesce, offline, take its section
	opPin       // enter, advance, poll and leave
	opJump      // logarithm of how many advances, made by others
	opLoad      // a late reader loads wr
	opLate      // and enters with that
	opClose     // which reader; if that works, another one takes its place
	opBefore    // two goals
	opBlocking  // goal
	opSeal      // 255
	clockOps
)

// The sorts of goals, and the bytes that follow them.
const (
	known   = iota // which of the goals so far
	near           // now, and less 5 to 249 advances
	far            // now, less half the range, and something: behind and ahead
	mutated        // the last one, with one of its bits changed
	foreign        // which of another clock's
	zero
	goalSorts
)

// Where a clock starts, and the bytes that follow that.
const (
	startDefault   = iota
	startBelowWrap // how many advances below
	startBelowSign // how many advances below
	startAnywhere  // 8 bytes
	starts
)

// clockStep is what an advance adds to a Seq: it depends on how the clock was built.
var clockStep = func() uint64 {
	var c clock.Clock
	c.Init(clock.Options{})
	return uint64(c.DeferredAdvance() - c.Now())
}()

// A clockProgram is a running program. One goroutine runs it; beside it there are only goroutines
// that wait, and those are asleep or done at each check.
type clockProgram struct {
	byteReader
	c, other clock.Clock
	wr       *atomic.Uint64 // c's own
	model    *clockModel

	readers    []*clock.Record // Owned
	quiescents []*quiescent
	sections   []*clockSection
	waiters    []*clockWaiter
	goals      []clock.Seq
	loaded     [2]moment // by late readers
	sealed     bool

	err error // the first
}

// A clockSection is a section that was entered.
type clockSection struct {
	rec  *clock.Record
	gen  uint64
	kind clock.Kind
	at   moment // it protects as if entered then
	open bool

	of     *quiescent // if Quiescent: its reader, and which of its sections
	period int
}

// A quiescent is a quiescent reader and its model.
type quiescent struct {
	rec    *clock.Record
	online bool
	at     moment
	period int // changes at each quiescent state
	asked  atomic.Int64
}

// A clockWaiter is a goroutine in Wait.
type clockWaiter struct {
	goal   moment
	cancel context.CancelFunc
	result chan error
	ended  bool
}

func runClock(program []byte) error {
	p := &clockProgram{byteReader: program}
	p.begin()
	for step := 0; len(p.byteReader) > 0 && p.err == nil; step++ {
		op := p.next() % clockOps
		p.step(op)
		p.check()
		if p.err != nil {
			p.err = fmt.Errorf("step %d, operation %d: %w", step, op, p.err)
		}
	}
	p.end()
	return p.err
}

// fail records an error, unless there was one before.
func (p *clockProgram) fail(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *clockProgram) begin() {
	mode := p.next()
	start := clock.Seq(0)
	switch mode % starts {
	case startBelowWrap:
		start -= clock.Seq(uint64(p.next()) * clockStep)
	case startBelowSign:
		start = 1<<63 - clock.Seq(uint64(p.next())*clockStep)
	case startAnywhere:
		for range 8 {
			start = start<<8 | clock.Seq(p.next())
		}
	}
	p.c.Init(clock.Options{Name: "fuzz", Start: start, Fenced: mode/starts%2 != 0})
	p.other.Init(clock.Options{Name: "other", Start: start})
	p.model = newClockModel(p.c.Now(), clockStep)
	p.wr = (*atomic.Uint64)(unsafe.Pointer(reflect.ValueOf(&p.c).Elem().FieldByName("wr").UnsafeAddr()))
	for range 2 {
		p.readers = append(p.readers, p.c.NewOwned())
		q := new(quiescent)
		q.rec = p.c.NewQuiescent(func() { q.asked.Add(1) })
		p.quiescents = append(p.quiescents, q)
	}
	if at := p.c.Now(); start != 0 && uint64(at)/clockStep != uint64(start)/clockStep {
		p.fail("starts at %#x, want %#x", at, start)
	}
	if tag := p.c.Tag(); tag == 0 || tag%2 != 0 || uint64(p.c.Now())%clockStep != tag {
		p.fail("the tag is %#x at %#x", tag, p.c.Now())
	}
}

// end leaves every section, after which all waiters must be done.
func (p *clockProgram) end() {
	for _, s := range p.sections {
		if s.open && s.of == nil {
			p.leave(s)
		}
	}
	for _, q := range p.quiescents {
		q.quiet(false, 0)
		q.rec.Close()
	}
	if p.err == nil {
		p.check()
	}
	for _, w := range p.waiters {
		w.cancel()
	}
	synctest.Wait()
}

func (p *clockProgram) step(op int) {
	c, m := &p.c, p.model
	switch op {
	case opAdvance:
		p.issued(c.Advance(), m.advance())
	case opDefer:
		p.issued(c.DeferredAdvance(), m.wr+1)
	case opCommit:
		goal := p.goal()
		c.Commit(goal)
		m.commit(goal)
	case opPoll:
		p.poll(p.goal())
	case opWait:
		p.waitEnded(p.goal())
	case opAwait:
		p.await(p.goal())
	case opCancel:
		p.cancel(p.next())
	case opEnter:
		p.enter(p.next(), nil)
	case opLeave:
		if i := p.next(); len(p.sections) > 0 {
			p.leave(p.sections[i%len(p.sections)])
		}
	case opQuiescent:
		p.quiescent(p.next())
	case opPin:
		p.pin()
	case opJump:
		p.jump(p.next())
	case opLoad:
		p.loaded[p.next()%2] = m.wr
	case opLate:
		i := p.next()
		p.enter(i, &p.loaded[i%2])
	case opClose:
		p.closeReader(p.next() % len(p.readers))
	case opBefore:
		p.before(p.goal(), p.goal())
	case opBlocking:
		p.blocking(p.goal())
	case opSeal:
		if p.next() == 255 {
			if first := c.Seal(); first == p.sealed {
				p.fail("Seal returned %v", first)
			} else if first {
				m.wr++ // for the owned records: see Clock.tellOwned
			}
			p.sealed = true
		}
	}
}

// goal returns a goal of the sort that the program asks for.
func (p *clockProgram) goal() clock.Seq {
	sort := p.next() % goalSorts
	if sort == zero {
		return 0
	}
	arg := p.next()
	switch sort {
	case known:
		if len(p.goals) > 0 {
			return p.goals[arg%len(p.goals)]
		}
	case near:
		return p.model.seq(p.model.wr + 5 - moment(arg))
	case far:
		return p.model.seq(p.model.wr + 5 - moment(arg) - p.model.half())
	case mutated:
		if len(p.goals) > 0 {
			return p.goals[len(p.goals)-1] ^ 1<<(arg%64)
		}
	case foreign:
		for range arg % 4 {
			p.other.Advance()
		}
		return p.other.DeferredAdvance()
	}
	return p.c.Now()
}

// issued records a goal that the clock returned for a moment.
func (p *clockProgram) issued(goal clock.Seq, at moment) {
	if want := p.model.seq(at); goal != want {
		p.fail("the goal is %#x, want %#x", goal, want)
	}
	p.goals = append(p.goals, goal)
}

// oldest returns the moment at which the oldest open section was entered.
func (p *clockProgram) oldest() moment {
	oldest := never
	for _, s := range p.sections {
		if s.open && s.of == nil {
			oldest = min(oldest, s.at)
		}
	}
	for _, q := range p.quiescents {
		if q.online {
			oldest = min(oldest, q.at)
		}
	}
	return oldest
}

// jump makes many advances at once, as other goroutines would in hours, up to the clock's maximal
// lead.
func (p *clockProgram) jump(log int) {
	m := p.model
	n := max(0, min(int64(1)<<(log%44), m.maxLead()-(m.wr-m.rd)))
	p.wr.Add(uint64(n) * clockStep)
	m.wr += n
}

// panics returns what fn panics with, or nil.
func panics(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

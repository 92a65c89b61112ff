package fuzz

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"
	"testing/synctest"
	"unsafe"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/relacq"
)

// The operations of a program on a clock, each a byte modulo their number, and what
// follows it.
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

// What a goal is made of, and what follows that.
const (
	known   = iota // which of the goals so far
	near           // now, and less 5 to 249 advances
	far            // now, less half the range, and something: behind and ahead
	mutated        // the last one, with one of its bits changed
	foreign        // which of another clock's
	zero
	goalSorts
)

// Where a clock starts, and what follows that.
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

// A clockProgram is a program on its way. It is run by one goroutine, beside which there
// are only those that wait; and those are asleep or done whenever something is checked.
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

	err error // the first that is wrong
}

// A clockSection is one that was entered.
type clockSection struct {
	rec  *clock.Record
	gen  uint64
	kind clock.Kind
	at   moment // it is as good as one that was entered then
	open bool

	of     *quiescent // Quiescent: whose it is, and which
	period int
}

// A quiescent is a reader that is driven from outside.
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

// fail notes that something is wrong, unless something was before.
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
			}
			p.sealed = true
		}
	}
}

// goal returns a goal of the sort that the program says.
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

// issued notes a goal that the clock returned for a moment.
func (p *clockProgram) issued(goal clock.Seq, at moment) {
	if want := p.model.seq(at); goal != want {
		p.fail("the goal is %#x, want %#x", goal, want)
	}
	p.goals = append(p.goals, goal)
}

// oldest returns when the oldest of the open sections was entered.
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

func (p *clockProgram) poll(goal clock.Seq) {
	at, ok := p.model.resolve(goal)
	want := ok && at <= p.model.wr && at <= p.oldest()
	if got := p.c.Poll(goal); got != want {
		p.fail("Poll(%#x) is %v at %#x, the oldest section is %d advances old", goal, got, p.c.Now(), p.model.wr-p.oldest())
	}
}

func (p *clockProgram) waitEnded(goal clock.Seq) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	at, ok := p.model.resolve(goal)
	err := p.c.Wait(ctx, goal)
	if ok {
		p.model.commit(goal)
	}
	var want error
	switch {
	case !ok:
		want = clock.ErrSeq
	case at > p.oldest():
		want = context.Canceled
	}
	if err != want {
		p.fail("Wait(%#x) returned %v, want %v", goal, err, want)
	}
	if want == nil || ok && p.c.Now() == p.model.seq(p.model.wr+1) {
		p.caughtUp(at)
	}
}

// caughtUp is called when a wait for a moment has committed it. It must have when it is
// over, and may have before that if the clock was too far ahead at first.
func (p *clockProgram) caughtUp(at moment) {
	if at == p.model.wr+1 {
		p.model.wr++
	}
}

func (p *clockProgram) await(goal clock.Seq) {
	at, ok := p.model.resolve(goal)
	if !ok {
		at = never
	}
	alone := !slices.ContainsFunc(p.waiters, func(w *clockWaiter) bool { return !w.ended })
	before := p.asked()
	ctx, cancel := context.WithCancel(context.Background())
	w := &clockWaiter{goal: at, cancel: cancel, result: make(chan error, 1)}
	go func() { w.result <- p.c.Wait(ctx, goal) }()
	synctest.Wait()
	if !ok {
		w.expect(p, clock.ErrSeq)
		return
	}
	p.model.commit(goal)
	p.waiters = append(p.waiters, w)
	for i, q := range p.quiescents {
		if alone && q.online && q.at < at && q.asked.Load() == before[i] {
			p.fail("quiescent reader %d was not asked for its state", i)
		}
	}
}

// asked returns how often each of the quiescent readers was asked to report.
func (p *clockProgram) asked() (n []int64) {
	for _, q := range p.quiescents {
		n = append(n, q.asked.Load())
	}
	return n
}

// expect says that the waiter is done, with an error or nil.
func (w *clockWaiter) expect(p *clockProgram, want error) {
	w.ended = true
	select {
	case err := <-w.result:
		if err != want {
			p.fail("a wait ended with %v, want %v", err, want)
		}
	default:
		p.fail("a wait has not ended, want %v", want)
	}
	w.cancel()
}

func (p *clockProgram) cancel(i int) {
	if len(p.waiters) == 0 {
		return
	}
	w := p.waiters[i%len(p.waiters)]
	if w.ended {
		return
	}
	w.cancel()
	synctest.Wait()
	w.expect(p, context.Canceled)
}

// enter enters a section: late, with what was loaded long ago, if that is not nil.
func (p *clockProgram) enter(i int, late *moment) {
	m := p.model
	if late != nil && m.rd-*late > m.around/4*3-2 {
		return // a delay by which it would look like one of now: no goroutine has that
	}
	s := &clockSection{kind: clock.Tracker, at: m.wr, open: true}
	enter := p.c.Enter
	if i %= len(p.readers) + 1; i > 0 {
		if s.kind = clock.Owned; p.isOpen(p.readers[i-1]) {
			s.kind = clock.Tracker
		}
		enter = p.readers[i-1].Enter
	}
	what := panics(func() { s.rec, s.gen = enter() })
	if (what != nil) != p.sealed {
		p.fail("entering, with the clock sealed: %v: panics with %v", p.sealed, what)
	}
	if what != nil {
		return
	}
	if late != nil {
		wordOf(s.rec).Store(uint64(m.seq(*late)))
		s.at = max(*late, m.rd)
	}
	p.sections = append(p.sections, s)
}

// isOpen reports whether a section is open on the record.
func (p *clockProgram) isOpen(r *clock.Record) bool {
	return slices.ContainsFunc(p.sections, func(s *clockSection) bool { return s.open && s.rec == r })
}

// wordOf returns the word of a record that is what pollers look at.
func wordOf(r *clock.Record) *relacq.Uint64 {
	return (*relacq.Uint64)(unsafe.Pointer(reflect.ValueOf(r).Elem().FieldByName("seq").UnsafeAddr()))
}

func (p *clockProgram) leave(s *clockSection) {
	what := panics(func() { s.rec.Leave(s.gen) })
	open := s.open
	if s.of != nil {
		open = s.of.online && s.of.period == s.period
	} else {
		s.open = false
	}
	if (what == nil) != open {
		p.fail("leaving a section that is open: %v: panics with %v", open, what)
	}
}

func (p *clockProgram) quiescent(arg int) {
	q := p.quiescents[arg/4%len(p.quiescents)]
	switch arg % 4 {
	case 0:
		q.rec.Online()
		if !q.online && !p.sealed {
			q.online, q.at = true, p.model.wr
		}
	case 1:
		q.rec.Quiesce()
		q.quiet(q.online && !p.sealed, p.model.wr)
	case 2:
		q.rec.Offline()
		q.quiet(false, 0)
	case 3:
		gen, ok := q.rec.Section()
		if ok != q.online {
			p.fail("Section of a quiescent reader that is online: %v: %v", q.online, ok)
		}
		if ok {
			p.sections = append(p.sections, &clockSection{rec: q.rec, gen: gen, kind: clock.Quiescent, of: q, period: q.period})
		}
	}
}

// quiet ends the reader's section, and begins another if it stays online.
func (q *quiescent) quiet(online bool, at moment) {
	if q.online {
		q.period++
	}
	q.online, q.at = online, at
}

// pin has a section of its own that must not block, so that all is looked at afterwards.
func (p *clockProgram) pin() {
	var (
		goal            clock.Seq
		within, without bool
		m               = p.model
		entered         = m.wr
	)
	what := panics(func() {
		rec, gen := p.c.Pin()
		goal = p.c.Advance()
		within = p.c.Poll(goal)
		rec.Leave(gen)
		without = p.c.Poll(goal)
	})
	if (what != nil) != p.sealed {
		p.fail("pinning, with the clock sealed: %v: panics with %v", p.sealed, what)
	}
	if what != nil {
		return
	}
	at := m.advance()
	p.issued(goal, at)
	if within {
		p.fail("a goal is reached within a pinned section that is older")
	}
	// Polling may have let a clock go on that was too far ahead, but not committed it.
	if want := at > entered && at <= m.wr && at <= p.oldest(); without != want {
		p.fail("after a pinned section Poll is %v", without)
	}
}

// jump makes many advances at once, as others would in hours, up to where the clock is as
// far ahead as it may be.
func (p *clockProgram) jump(log int) {
	m := p.model
	n := min(int64(1)<<(log%44), m.maxLead()-(m.wr-m.rd))
	p.wr.Add(uint64(n) * clockStep)
	m.wr += n
}

func (p *clockProgram) closeReader(i int) {
	r := p.readers[i]
	open := p.isOpen(r)
	if closed := r.Close(); closed == open {
		p.fail("Close of a reader, with a section open: %v: %v", open, closed)
	}
	if open {
		return
	}
	if what := panics(func() { clock.ClosedRecord().Enter() }); what == nil {
		p.fail("entered on a closed reader")
	}
	if next := p.c.NewOwned(); next != r {
		p.fail("the record of a closed reader was not used again")
	}
}

func (p *clockProgram) before(a, b clock.Seq) {
	am, ok1 := p.model.resolve(a)
	bm, ok2 := p.model.resolve(b)
	if ok1 && ok2 && a.Before(b) != (am < bm) { // less than half the range apart
		p.fail("%#x.Before(%#x) is %v", a, b, a.Before(b))
	}
}

func (p *clockProgram) blocking(goal clock.Seq) {
	at, ok := p.model.resolve(goal)
	if !ok {
		return
	}
	want := 0
	for _, s := range p.sections {
		if s.open && s.of == nil && s.at < at {
			want++
		}
	}
	for _, q := range p.quiescents {
		if q.online && q.at < at {
			want++
		}
	}
	if got := p.c.Blocking(goal); len(got) != want {
		p.fail("Blocking(%#x) finds %d readers, want %d: %v", goal, len(got), want, got)
	}
}

// check compares the clock with the model when all is quiet.
func (p *clockProgram) check() {
	synctest.Wait()
	m := p.model
	oldest := p.oldest()
	for _, w := range p.waiters {
		if w.ended {
			continue
		}
		if w.goal <= oldest {
			w.expect(p, nil)
			p.caughtUp(w.goal)
		} else if len(w.result) > 0 {
			p.fail("a wait for %#x ended with %v, with a section open that is older", m.seq(w.goal), <-w.result)
		}
		if p.c.Now() == m.seq(m.wr+1) {
			p.caughtUp(w.goal)
		}
	}
	if now := p.c.Now(); now != m.seq(m.wr) {
		p.fail("now is %#x, want %#x", now, m.seq(m.wr))
		return
	}
	rd, ok := m.resolve(p.c.Reached())
	if !ok || rd < m.rd || rd > min(m.wr, oldest) {
		p.fail("reached is %#x, want %#x to %#x", p.c.Reached(), m.seq(m.rd), m.seq(min(m.wr, oldest)))
	}
	m.rd = rd
	p.checkCounts()
}

func (p *clockProgram) checkCounts() {
	open := 0
	for _, s := range p.sections {
		active := s.open
		if s.of != nil {
			active = s.of.online && s.of.period == s.period
		} else if s.open {
			open++
		}
		if s.rec.Active(s.gen) != active {
			p.fail("a section is active: %v, want %v", !active, active)
		}
	}
	for _, q := range p.quiescents {
		if q.online {
			open++
		}
	}
	if got, _ := p.c.Census(); got != open {
		p.fail("%d sections are open, want %d", got, open)
	}
	if n, _ := p.c.Counters(); n != uint64(p.model.wr%p.model.around) {
		p.fail("%d advances, want %d", n, p.model.wr%p.model.around)
	}
}

// panics returns what fn panics with, or nil.
func panics(fn func()) (value any) {
	defer func() { value = recover() }()
	fn()
	return nil
}

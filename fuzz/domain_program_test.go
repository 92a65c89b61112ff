package fuzz

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// The operations of a program on a domain, each a byte modulo their number, and what
// follows it.
const (
	domEnter       = iota // 0: a section of the domain's; else one of a reader's
	domLeave              // which section, open or not
	domPin                // size; calls once within, and leaves
	domRead               // 1: its function panics
	domQuiescent          // which, and what: online, quiesce, offline, take its section
	domCloseReader        // which; another one takes its place
	domCall               // size
	domCallFunc           // size
	domExpedite
	domChain // the callback calls, and that one's too, so many times
	domPanicking
	domExiting
	domWaiting // the callback tries one of the waits
	domAdvance
	domDefer
	domCommit    // goal
	domPoll      // goal
	domWaitFor   // one of the waits, in a goroutine of its own
	domWaitEnded // the same, with a context that has ended
	domCancel    // which wait
	domFlush
	domSleep   // logarithm of how many milliseconds
	domCheckIn // milliseconds
	domMisuse  // which
	domainOps
)

// The waits.
const (
	waitGoal = iota // goal
	waitSynchronize
	waitBarrier
	waitThrottle
	waitClose
	waits
)

// maxDelay is that of the domain.
const maxDelay = 100 * time.Millisecond

// A domainProgram is a program on its way. Whatever else runs, on behalf of the domain or
// waiting for it, is asleep or done whenever something is checked; and no time passes but
// in domSleep.
type domainProgram struct {
	byteReader
	d, other *smr.Domain
	limit    int64 // of bytes pending; negative: none

	step       int
	readings   []*reading
	sections   []*domainSection
	readers    []*smr.Reader
	quiescents []*quiescentReader
	goals      []domainGoal
	waiters    []*domainWaiter
	closed     bool

	mu       sync.Mutex // guards what follows: callbacks make calls, and may find errors
	calls    []*call
	panicked int // callbacks that have
	reported int // of those, by OnPanic
	err      error
}

// A reading is a time in which a reader may hold what it finds: a section, or what is
// between two quiescent states.
type reading struct {
	open          bool
	at            uint64 // how often the clock had advanced
	step          int
	opened, ended time.Time
}

// A domainSection is one that a program has entered, or got from a quiescent reader.
type domainSection struct {
	smr.Section
	during *reading
	of     *quiescentReader
}

type quiescentReader struct {
	*smr.Quiescent
	during *reading // nil: offline
}

// A domainGoal is a Seq, and how often the clock must have advanced for it.
type domainGoal struct {
	seq smr.Seq
	at  uint64
}

// A call is an object that was given to Call, or a function to CallFunc.
type call struct {
	p    *domainProgram
	size int
	then func() // what else the callback does

	// Written under the program's mu.
	ran  int
	made time.Time

	// The program's own.
	noted   bool       // blockers are known
	holders []*reading // that may hold it
	flushed bool
	before  []*reading // open when it was flushed
}

// A domainWaiter is a goroutine in one of the waits.
type domainWaiter struct {
	what   int
	goal   uint64     // waitGoal, waitSynchronize
	calls  []*call    // waitBarrier: made before
	before []*reading // waitBarrier: open then
	want   error      // if it is known from the beginning
	ended  bool       // the context has
	cancel context.CancelFunc
	result chan error
	over   bool
}

func runDomain(program []byte) error {
	p := &domainProgram{byteReader: program}
	if err := p.begin(); err != nil {
		return err
	}
	for len(p.byteReader) > 0 && p.failure() == nil {
		p.step++
		op := p.next() % domainOps
		p.do(op)
		p.check()
		if err := p.failure(); err != nil {
			p.err = fmt.Errorf("step %d, operation %d: %w", p.step, op, err)
		}
	}
	p.end()
	return p.failure()
}

// fail notes that something is wrong, unless something was before.
func (p *domainProgram) fail(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *domainProgram) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

// configOf returns the options that a byte stands for.
func configOf(b int) smr.Options {
	return smr.Options{
		Name:       "FuzzDomain",
		MaxDelay:   maxDelay,
		ChunkCalls: []int{256, 1, 2, 3}[b%4],
		MaxPending: []int64{-1, 100, 1000, 0}[b/4%4],
		ChunkBytes: []int{0, 30}[b/16%2],
		Workers:    []int{0, 1, 2, 3}[b/32%4],
	}
}

func (p *domainProgram) begin() (err error) {
	o := configOf(p.next())
	if p.limit = o.MaxPending; p.limit == 0 {
		p.limit = 64 << 20 // the default
	}
	o.OnPanic = func(c *smr.CallbackPanic) {
		if c.Value != "in a callback" {
			p.fail("a callback is said to have panicked with %v", c.Value)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.reported++
	}
	o.StallAfter = time.Second
	o.OnStall = func(s smr.Stall) {
		if s.Age < time.Second {
			p.fail("a stall is reported after %v", s.Age)
		}
	}
	if p.d, err = smr.New(o); err != nil {
		return err
	}
	if p.other, err = smr.New(smr.Options{Name: "other"}); err != nil {
		return err
	}
	for range 2 {
		p.readers = append(p.readers, p.d.NewReader())
		p.quiescents = append(p.quiescents, &quiescentReader{Quiescent: p.d.NewQuiescent(nil)})
	}
	return nil
}

// end leaves all sections. Then nothing may be left to wait for.
func (p *domainProgram) end() {
	for _, s := range p.sections {
		if s.of == nil && s.during.open {
			s.Leave()
			p.over(s.during)
		}
	}
	for _, q := range p.quiescents {
		q.Close()
		q.quiet(p)
	}
	synctest.Wait()
	if p.failure() == nil && !p.closed {
		p.wait(waitBarrier, false)
		p.check()
	}
	if p.failure() == nil {
		p.wait(waitClose, false)
		p.check()
		if st := p.d.Stats(); st.PendingCalls != 0 || st.PendingBytes != 0 || st.Workers != 0 {
			p.fail("after Close: %+v", st)
		}
	}
	for _, w := range p.waiters {
		w.cancel()
	}
	time.Sleep(time.Second) // whatever went wrong, now nothing is pending
	p.d.Close(context.Background())
	p.other.Close(context.Background())
}

func (p *domainProgram) do(op int) {
	d := p.d
	switch op {
	case domEnter:
		p.enter(p.next())
	case domLeave:
		p.leave(p.next())
	case domPin:
		p.pin(p.next())
	case domRead:
		p.read(p.next()%2 == 1)
	case domQuiescent:
		p.quiescent(p.next())
	case domCloseReader:
		p.closeReader(p.next() % len(p.readers))
	case domCall:
		p.call(&call{size: p.next()})
	case domCallFunc:
		c := p.newCall(p.next(), nil)
		p.made(c, panics(func() { d.CallFunc(c.size, c.run) }))
	case domExpedite:
		c := p.newCall(0, nil)
		p.flushing(append(slices.Clip(p.calls), c))
		p.made(c, panics(func() { smr.Call(d, c, smr.Expedite, (*call).run) }))
	case domChain:
		p.call(&call{size: 1, then: p.chain(p.next() % 8)})
	case domPanicking:
		p.call(&call{then: p.panicking})
	case domExiting:
		p.call(&call{then: runtime.Goexit})
	case domWaiting:
		what := p.next() % waits
		p.call(&call{then: func() { p.waitInCallback(what) }})
	case domAdvance:
		p.issued(d.Advance(), 0)
	case domDefer:
		p.issued(d.DeferredAdvance(), 1)
	case domCommit:
		p.commit(p.goal())
	case domPoll:
		p.poll(p.goal())
	case domWaitFor, domWaitEnded:
		p.wait(p.next()%waits, op == domWaitEnded)
	case domCancel:
		if i := p.next(); len(p.waiters) > 0 {
			w := p.waiters[i%len(p.waiters)]
			w.cancel()
			w.ended = true
		}
	case domFlush:
		p.flushing(p.calls)
		d.Flush()
	case domSleep:
		time.Sleep(time.Millisecond << (p.next() % 12))
	case domCheckIn:
		p.checkIn(time.Duration(p.next()) * time.Millisecond)
	case domMisuse:
		p.misuse(p.next())
	}
}

// Readers.

// began notes that a reader may hold what it finds from now on.
func (p *domainProgram) began() *reading {
	r := &reading{open: true, at: p.d.Stats().Advances, step: p.step, opened: time.Now()}
	p.readings = append(p.readings, r)
	return r
}

func (p *domainProgram) over(r *reading) { r.open, r.ended = false, time.Now() }

// open returns who is reading.
func (p *domainProgram) open() (all []*reading) {
	for _, r := range p.readings {
		if r.open {
			all = append(all, r)
		}
	}
	return all
}

// refused says whether what was tried on a domain that may be closed is to be refused.
func (p *domainProgram) refused(what string, value any) bool {
	if (value != nil) != p.closed {
		p.fail("%s, with the domain closed: %v: panics with %v", what, p.closed, value)
	}
	return value != nil
}

func (p *domainProgram) enter(i int) {
	enter := p.d.Enter
	if i %= len(p.readers) + 1; i > 0 {
		enter = p.readers[i-1].Enter
	}
	s := new(domainSection)
	if !p.refused("entering", panics(func() { s.Section = enter() })) {
		s.during = p.began()
		p.sections = append(p.sections, s)
	}
}

func (p *domainProgram) leave(i int) {
	if len(p.sections) == 0 {
		return
	}
	s := p.sections[i%len(p.sections)]
	what := panics(s.Leave)
	if (what == nil) != s.during.open {
		p.fail("leaving a section that is open: %v: panics with %v", s.during.open, what)
	}
	if s.of == nil && s.during.open {
		p.over(s.during)
	}
}

// pin makes a call in a section that must not block.
func (p *domainProgram) pin(size int) {
	c := p.newCall(size, nil)
	var within any
	what := panics(func() {
		s := p.d.Pin()
		smr.Call(p.d, c, size, (*call).run)
		if c.hasRun() {
			within = "a callback ran within the pinned section of its Call"
		}
		s.Leave()
	})
	p.made(c, what)
	if within != nil {
		p.fail("%v", within)
	}
}

func (p *domainProgram) read(panicking bool) {
	called := false
	what := panics(func() {
		p.d.Read(func(s smr.Section) {
			if called = true; !s.Active() {
				p.fail("the section of Read is not open")
			}
			if panicking {
				panic("in Read")
			}
		})
	})
	if called == p.closed || called && (what != nil) != panicking {
		p.fail("Read, with the domain closed: %v: panics with %v", p.closed, what)
	}
}

func (p *domainProgram) quiescent(arg int) {
	q := p.quiescents[arg/4%len(p.quiescents)]
	switch arg % 4 {
	case 0:
		q.Online()
		if q.during == nil && !p.closed {
			q.during = p.began()
		}
	case 1:
		q.Quiesce()
		if q.during != nil {
			q.quiet(p)
			if !p.closed {
				q.during = p.began()
			}
		}
	case 2:
		q.Offline()
		q.quiet(p)
	case 3:
		s := &domainSection{during: q.during, of: q}
		what := panics(func() { s.Section = q.Section() })
		if (what == nil) != (q.during != nil) {
			p.fail("Section of a quiescent reader that is online: %v: panics with %v", q.during != nil, what)
		}
		if what == nil {
			p.sections = append(p.sections, s)
		}
	}
}

// quiet ends what the reader is in.
func (q *quiescentReader) quiet(p *domainProgram) {
	if q.during != nil {
		p.over(q.during)
		q.during = nil
	}
}

func (p *domainProgram) closeReader(i int) {
	before := p.d.Stats().Sections
	what := panics(p.readers[i].Close)
	if what != nil {
		if len(p.open()) == 0 || p.d.Stats().Sections != before {
			p.fail("Close of a reader panics with %v", what)
		}
		return
	}
	if what := panics(func() { p.readers[i].Enter() }); what == nil {
		p.fail("entered a section of a closed reader")
	}
	p.readers[i].Close() // does nothing
	if p.refused("NewReader", panics(func() { p.readers[i] = p.d.NewReader() })) {
		p.readers[i].Close() // still
	}
}

// Deferred calls.

func (p *domainProgram) newCall(size int, then func()) *call {
	return &call{p: p, size: size, then: then, made: time.Now()}
}

// call makes a call, which is the program's.
func (p *domainProgram) call(c *call) {
	c.p, c.made = p, time.Now()
	p.made(c, panics(func() { smr.Call(p.d, c, c.size, (*call).run) }))
}

// made notes a call, unless it was refused.
func (p *domainProgram) made(c *call, what any) {
	if p.refused("Call", what) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.calls = append(p.calls, c)
}

// run is every call's callback.
func (c *call) run() {
	c.p.mu.Lock()
	c.ran++
	c.p.mu.Unlock()
	if c.then != nil {
		c.then()
	}
}

func (c *call) hasRun() bool {
	c.p.mu.Lock()
	defer c.p.mu.Unlock()
	return c.ran > 0
}

// chain returns what makes n calls, one in the callback of the other.
func (p *domainProgram) chain(n int) func() {
	if n == 0 {
		return nil
	}
	return func() {
		c := p.newCall(n, p.chain(n-1))
		smr.Call(p.d, c, c.size, (*call).run) // also on a closed domain
		p.mu.Lock()
		defer p.mu.Unlock()
		p.calls = append(p.calls, c)
	}
}

// panicking is what a callback does that panics.
func (p *domainProgram) panicking() {
	p.mu.Lock()
	p.panicked++
	p.mu.Unlock()
	panic("in a callback")
}

// waitInCallback tries one of the waits in a callback.
func (p *domainProgram) waitInCallback(what int) {
	d, ctx := p.d, context.Background()
	var err error
	switch what {
	case waitGoal:
		err = d.Wait(ctx, 0)
	case waitSynchronize:
		err = d.Synchronize(ctx)
	case waitBarrier:
		err = d.Barrier(ctx)
	case waitThrottle:
		if err = d.Throttle(ctx); err == nil || err == smr.ErrClosed {
			return // there was no need to wait
		}
	case waitClose:
		err = d.Close(ctx)
	}
	if err != smr.ErrInCallback {
		p.fail("wait %d in a callback: %v", what, err)
	}
}

// flushing notes that calls are to be freed as soon as they can be.
func (p *domainProgram) flushing(calls []*call) {
	open := p.open()
	for _, c := range calls {
		if !c.flushed {
			c.flushed, c.before = true, open
		}
	}
}

func (p *domainProgram) checkIn(interval time.Duration) {
	p.d.SetCheckIn(interval)
	if got := p.d.CheckIn(); got <= 0 || got > maxDelay/2 || interval > 0 && got != min(interval, maxDelay/2) {
		p.fail("the check-in interval is %v, want %v", got, interval)
	}
}

func (p *domainProgram) misuse(what int) {
	d := p.d
	do := []func(){
		func() { smr.Section{}.Leave() },
		func() { smr.Call(d, (*call)(nil), 1, (*call).run) },
		func() { smr.Call(d, &call{p: p}, 1, nil) },
		func() { smr.Call(d, &call{p: p}, -1, (*call).run) },
		func() { smr.Call(d, &call{p: p}, smr.Expedite-1, (*call).run) },
		func() { d.CallFunc(1, nil) },
	}
	if strconv.IntSize == 32 { // where such a size can be
		do = slices.Delete(do, 4, 5)
	}
	if what %= len(do); panics(do[what]) == nil {
		p.fail("misuse %d does not panic", what)
	}
}

// Goals and waits.

// issued notes a goal, for which the clock must have advanced so often more.
func (p *domainProgram) issued(goal smr.Seq, more uint64) {
	p.goals = append(p.goals, domainGoal{goal, p.d.Stats().Advances + more})
}

// goal returns a goal of the sort that the program says: one of those it took, one of
// another domain, or one from the future. The last two the domain never issued.
func (p *domainProgram) goal() (g domainGoal, issued bool) {
	sort, arg := p.next()%4, p.next()
	switch {
	case sort == 1 && arg%2 == 0:
		return domainGoal{p.other.Advance(), 0}, false
	case sort == 1:
		return domainGoal{}, false
	case sort == 2:
		return domainGoal{p.d.DeferredAdvance() + smr.Seq(uint64(1+arg)*clockStep), 0}, false
	case len(p.goals) == 0:
		p.issued(p.d.DeferredAdvance(), 1)
	}
	return p.goals[arg%len(p.goals)], true
}

// reached reports whether no reader is in what it began before the clock had advanced so
// often.
func (p *domainProgram) reached(at uint64) bool {
	return !slices.ContainsFunc(p.readings, func(r *reading) bool { return r.open && r.at < at })
}

func (p *domainProgram) commit(g domainGoal, issued bool) {
	before := p.d.Stats().Advances
	p.d.Commit(g.seq)
	want := before
	if issued && g.at == before+1 {
		want++
	}
	if got := p.d.Stats().Advances; got != want {
		p.fail("Commit(%#x) made %d advances of %d, want %d", g.seq, got, before, want)
	}
}

func (p *domainProgram) poll(g domainGoal, issued bool) {
	want := issued && g.at <= p.d.Stats().Advances && p.reached(g.at)
	if got := p.d.Poll(g.seq); got != want {
		p.fail("Poll(%#x) is %v", g.seq, got)
	}
}

func (p *domainProgram) wait(what int, ended bool) {
	w := &domainWaiter{what: what, result: make(chan error, 1), before: p.open(), calls: slices.Clone(p.calls), ended: ended}
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel = cancel
	if ended {
		cancel()
	}
	var wait func() error
	switch what {
	case waitGoal:
		g, issued := p.goal()
		if w.goal = g.at; !issued {
			w.want = smr.ErrSeq
		}
		wait = func() error { return p.d.Wait(ctx, g.seq) }
	case waitSynchronize:
		w.goal = p.d.Stats().Advances + 1
		wait = func() error { return p.d.Synchronize(ctx) }
	case waitBarrier:
		wait = func() error { return p.d.Barrier(ctx) }
	case waitThrottle:
		wait = func() error { return p.d.Throttle(ctx) }
	case waitClose:
		wait = func() error { return p.d.Close(ctx) }
	}
	if what == waitClose {
		p.closed = true
	} else if p.closed {
		w.want = smr.ErrClosed
	}
	p.waiters = append(p.waiters, w)
	go func() { w.result <- wait() }()
}

// Checks.

// pending returns what calls have not run, and their sizes. (Of the last step's calls the
// sizes are not counted if calledNow is false.)
func (p *domainProgram) pending(calledNow bool) (n, bytes int64) {
	for _, c := range p.calls {
		if c.ran == 0 && (calledNow || c.noted) {
			n++
			bytes += int64(c.size)
		}
	}
	return n, bytes
}

// check compares the domain with what must hold when all is quiet.
func (p *domainProgram) check() {
	synctest.Wait()
	for _, w := range p.waiters {
		p.checkWaiter(w)
	}
	for _, c := range p.calls {
		p.checkCall(c)
	}
	if p.reported != p.panicked {
		p.fail("%d callbacks have panicked, %d are reported", p.panicked, p.reported)
	}
	n, bytes := p.pending(true)
	st := p.d.Stats()
	if int(st.Calls) != len(p.calls) || st.PendingCalls != n || st.PendingBytes != bytes || st.Sections != len(p.open()) {
		p.fail("there are %d calls, %d pending of %d bytes, %d sections; Stats says %+v", len(p.calls), n, bytes, len(p.open()), st)
	}
}

// checkCall says that a callback has run if it must, and has not if it must not.
func (p *domainProgram) checkCall(c *call) {
	if !c.noted {
		// It was made in this step. Who was reading before that and is still may hold it.
		c.noted = true
		for _, r := range p.readings {
			if r.open && r.step < p.step {
				c.holders = append(c.holders, r)
			}
		}
	}
	isOpen := func(r *reading) bool { return r.open }
	held := slices.ContainsFunc(c.holders, isOpen)
	switch {
	case c.ran > 1:
		p.fail("a callback ran %d times", c.ran)
	case c.ran == 1 && held:
		p.fail("a callback ran while a section was open from before its Call")
	case c.ran == 1:
		c.holders = nil // it is not asked again
	case c.flushed && !slices.ContainsFunc(c.before, isOpen):
		p.fail("a callback has not run, though it was flushed and no section is open from before that")
	case p.isLate(c):
		p.fail("a callback has not run in %v", maxDelay)
	}
}

// isLate reports whether a callback had to run by now. The next check-in takes the goal
// for all calls so far, so sections hold them back that are entered before it.
func (p *domainProgram) isLate(c *call) bool {
	free := c.made
	for _, r := range p.readings {
		if r.opened.After(c.made.Add(maxDelay / 2)) {
			continue
		}
		if r.open {
			return false
		}
		if r.ended.After(free) {
			free = r.ended
		}
	}
	return time.Since(free) > maxDelay
}

// checkWaiter says that a wait is over if it must be, and is not if it must not be.
func (p *domainProgram) checkWaiter(w *domainWaiter) {
	if w.over {
		return
	}
	may, must := p.mayEnd(w)
	var err error
	select {
	case err = <-w.result:
		w.over = true
		w.cancel()
	default:
		if must || w.want != nil || w.ended {
			p.fail("wait %d has not ended, want error %v", w.what, w.want)
		}
		return
	}
	switch {
	case w.want != nil:
		if err != w.want {
			p.fail("wait %d ended with %v, want %v", w.what, err, w.want)
		}
	case err == nil:
		if !may {
			p.fail("wait %d ended too early", w.what)
		}
	case errors.Is(err, context.Canceled):
		if !w.ended || must && w.what <= waitSynchronize {
			p.fail("wait %d ended with %v", w.what, err)
		}
	case err == smr.ErrClosed && w.what == waitThrottle && p.closed:
	default:
		p.fail("wait %d ended with %v", w.what, err)
	}
}

// mayEnd reports whether a wait may have ended, with success, and whether it must have.
func (p *domainProgram) mayEnd(w *domainWaiter) (may, must bool) {
	isOpen := func(r *reading) bool { return r.open }
	open := slices.ContainsFunc(p.readings, isOpen)
	switch w.what {
	case waitBarrier:
		pending := slices.ContainsFunc(w.calls, func(c *call) bool { return c.ran == 0 })
		return !pending, !slices.ContainsFunc(w.before, isOpen)
	case waitThrottle:
		_, atLeast := p.pending(false)
		_, bytes := p.pending(true)
		return p.limit < 0 || atLeast < p.limit, p.limit < 0 || bytes < p.limit || !open
	case waitClose:
		n, _ := p.pending(true)
		return !open && n == 0, !open
	default:
		reached := p.reached(w.goal)
		return reached, reached
	}
}

package fuzz

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// The operations of a program on a domain, each a byte modulo their number, and the bytes that
// follow it.
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
	domHold    // which section, and which object
	domRelease // which hold
	domClone   // which hold
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

// maxDelay is the domain's.
const maxDelay = 100 * time.Millisecond

// A domainProgram is a running program. All other goroutines, of the domain or waiting for it, are
// asleep or done at each check; and time passes only in domSleep.
type domainProgram struct {
	byteReader
	d, other *smr.Domain
	limit    int64 // of bytes pending; negative: none

	step       int
	readings   []*reading
	sections   []*domainSection
	readers    []*smr.Reader
	quiescents []*quiescentReader
	holds      []*domainHold
	goals      []domainGoal
	waiters    []*domainWaiter
	closed     bool

	mu       sync.Mutex // guards what follows: callbacks make calls, and may find errors
	calls    []*call
	panicked int // callbacks that have
	reported int // of those, by OnPanic
	err      error
}

// A reading is a time in which a reader may hold what it finds: a section, or the time between two
// quiescent states.
type reading struct {
	open          bool
	at            uint64 // how often the clock had advanced
	step          int
	opened, ended time.Time
}

// A domainSection is a section that the program entered, or got from a quiescent reader.
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
	// closure: it was given to CallFunc, so holds don't see it.
	closure bool

	// Written under the program's mu.
	ran  int
	made time.Time

	// The program's own.
	noted   bool       // blockers are known
	holders []*reading // that may hold it
	flushed bool
	before  []*reading // open when it was flushed
	holds   int        // families that hold it
	let     time.Time  // when the last one let go
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

// fail records an error, unless there was one before.
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

// configOf returns the options that a byte selects.
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

// end leaves all sections and releases all holds. Then nothing may be waiting.
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
	p.releaseAll()
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
		c.closure = true
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
	case domHold:
		p.hold(p.next(), p.next())
	case domRelease:
		p.release(p.next())
	case domClone:
		p.clone(p.next())
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
		func() { smr.Hold(smr.Section{}, &call{p: p}) },
		func() { smr.Held[call]{}.Release() },
		func() { smr.Held[call]{}.Clone() },
		func() { smr.Call(d, (*call)(nil), 1, (*call).run) },
		func() { smr.Call(d, &call{p: p}, 1, nil) },
		func() { smr.Call(d, &call{p: p}, -1, (*call).run) },
		func() { smr.Call(d, &call{p: p}, smr.Expedite-1, (*call).run) },
		func() { d.CallFunc(1, nil) },
	}
	if strconv.IntSize == 32 { // where such a size can be
		do = slices.Delete(do, 7, 8)
	}
	if what %= len(do); panics(do[what]) == nil {
		p.fail("misuse %d does not panic", what)
	}
}

package fuzz

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// The operations of a program on a world, each a byte modulo their number, and the bytes that
// follow it. An actor is a goroutine that is or was a domain.
const (
	stwSpawn       = iota // ignored
	stwRegister           // ignored
	stwPoll               // actor
	stwBlock              // actor
	stwUnblock            // actor
	stwEnd                // actor
	stwInterrupt          // actor, and what it is asked
	stwTry                // actor, handler
	stwRunOnAll           // actor, handler
	stwAsync              // actor, handler
	stwForEach            // 1: the function panics for one
	stwOwnForEach         // actor
	stwStop               //
	stwStart              //
	stwSuspend            // actor
	stwResume             // actor
	stwSynchronize        // actor
	stwSection            // of the smr domain, entered or left
	stwCall               // of the smr domain
	stwGate               // releases those that wait at it
	stwClose              // the world
	stwExternal           // actor: InterruptExternal
	stwMisuse             // actor
	stwGiveUp             // ends the context of all waits that have one
	stwOps
)

// What an interrupt function does.
const (
	askPlain = iota
	askAgain // asks the domain again
	askPanic
	askRead // uses the domain's section
	asks
)

// What a handler does, plus the number of the participant that does it times handlers.
const (
	handlePlain       = iota
	handleBarrier     // for all
	handlePanic       // for one
	handleInterrupt   // asks all
	handleGated       // for one
	handleSynchronize // for one, after having waited at the gate
	handleMisuse      // for all
	handleSetup       // waits at the gate before any domain is told
	handleWork        // for all, while they wait for others
	handlers
)

// maxDomains is how many domains the world may have at a time.
const maxDomains = 4

// A stwProgram is a running program. Each operation may have to wait for another; the program
// begins the next when all goroutines are asleep or done.
type stwProgram struct {
	byteReader
	w   *stw.World
	dom *smr.Domain

	ops     []*stwOp
	section *smr.Section
	closed  bool
	ctx     context.Context // of the waits that begin now
	cancel  context.CancelFunc

	mu        sync.Mutex // guards what follows, and what says so
	err       error
	actors    []*actor // in the order in which they came
	stops     []*stopSection
	calls     []*stwCallback
	suspended map[*actor]int
	held      bool // by Stop
	gate      chan struct{}
	gated     int            // that wait there
	owed      map[int]*actor // panics that must come out of the actor's operation
	lastOwed  int
}

// An actor is a goroutine that is a domain and does what it is told.
type actor struct {
	p     *stwProgram
	d     *stw.Domain
	own   bool // spawned
	tell  chan func()
	doing *stwOp // nil: waits to be told

	// Under the program's mu.
	started, dead bool
	blocked       bool
	running       bool // user code, until it is told something
	period        int  // of that

	asked []*request
	done  int // so many of them
}

// A request is an interrupt function that was accepted.
type request struct{ nth int }

// A stwOp is an operation that was begun.
type stwOp struct {
	what    string
	actor   *actor // that does it, or nil
	givenUp bool   // its context has ended
	over    bool   // under mu
}

// A stopSection is a stop-the-world section that an actor tried to lead.
type stopSection struct {
	handler, nth int
	async        bool
	ran          map[*stw.Domain]int
	ended        map[*stw.Domain]bool
	phase        int
	participants int
}

// A stwCallback is a deferred call of the smr domain.
type stwCallback struct {
	holders map[*actor]int // the actors that ran, and their periods then
	section *smr.Section
	ran     int
}

func runStw(program []byte) error {
	p := &stwProgram{byteReader: program, suspended: make(map[*actor]int), gate: make(chan struct{}), owed: make(map[int]*actor)}
	var err error
	if p.dom, err = smr.New(smr.Options{Name: "FuzzStw", StallAfter: -1}); err != nil {
		return err
	}
	p.ctx, p.cancel = context.WithCancel(context.Background())
	defer func() { p.cancel() }()
	o := stw.Options{Max: maxDomains, StallAfter: -1, SMR: []*smr.Domain{p.dom}, ExternalInterrupt: func(d *stw.Domain) { p.notUser(d, "the external hook") }}
	if p.w, err = stw.NewWorld(o); err != nil {
		return err
	}
	for step := 0; len(p.byteReader) > 0 && p.failure() == nil; step++ {
		op := p.next() % stwOps
		p.do(op)
		p.check()
		if err := p.failure(); err != nil {
			p.err = fmt.Errorf("step %d, operation %d: %w", step, op, err)
		}
	}
	p.end()
	return p.failure()
}

// fail records an error, unless there was one before.
func (p *stwProgram) fail(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failLocked(format, args...)
}

func (p *stwProgram) failLocked(format string, args ...any) {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
}

func (p *stwProgram) failure() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err
}

func (p *stwProgram) do(op int) {
	switch op {
	case stwSpawn:
		p.next()
		p.come(true)
	case stwRegister:
		p.next()
		p.come(false)
	case stwForEach:
		p.forEach(p.next()%2 == 1)
	case stwStop:
		p.stop()
	case stwStart:
		p.start()
	case stwSection:
		p.enterOrLeave()
	case stwCall:
		p.call()
	case stwGate:
		p.openGate()
	case stwGiveUp:
		p.giveUp()
	case stwClose:
		if !p.closed {
			p.closed = true
			p.begin("Close", nil, func() {
				if err := p.w.Close(context.Background()); err != nil {
					p.fail("Close returned %v", err)
				}
			})
		}
	default:
		if a := p.actor(); a != nil {
			p.doAs(op, a)
		}
	}
}

// actor returns the one that the program selects, or nil if there is none.
func (p *stwProgram) actor() *actor {
	i := p.next()
	if len(p.actors) == 0 {
		return nil
	}
	// Most are among the last few.
	last := p.actors[max(0, len(p.actors)-maxDomains-1):]
	return last[i%len(last)]
}

func (p *stwProgram) doAs(op int, a *actor) {
	switch op {
	case stwInterrupt:
		p.interrupt(a, p.next()%asks)
	case stwExternal:
		p.accepted(a, a.d.InterruptExternal())
	case stwSuspend:
		p.suspend(a)
	case stwResume:
		p.resume(a)
	case stwUnblock:
		if a.idle() && a.blocked {
			a.do("LeaveBlocking", a.d.LeaveBlocking)
		}
	case stwTry, stwRunOnAll, stwAsync:
		if h := p.next(); a.idle() && !a.blocked {
			p.lead(op, a, h)
		}
	case stwEnd:
		if a.idle() && !a.blocked {
			a.end()
		}
	default:
		if a.idle() && !a.blocked {
			p.doRunning(op, a)
		}
	}
}

func (p *stwProgram) doRunning(op int, a *actor) {
	switch op {
	case stwPoll:
		before := len(a.asked)
		a.do("Poll", func() {
			defer func() { p.polled(a, before) }()
			a.d.Poll()
		})
	case stwBlock:
		a.do("EnterBlocking", func() {
			a.d.EnterBlocking()
			p.mu.Lock()
			defer p.mu.Unlock()
			a.blocked = true
		})
	case stwOwnForEach:
		ctx := p.ctx
		a.do("ForEach", func() {
			p.gaveUp(ctx, a.d.ForEachContext(ctx, func(d *stw.Domain) { p.notUser(d, "a ragged barrier's function") }))
		})
	case stwSynchronize:
		a.do("Synchronize", func() {
			for range 2 { // the second begins while those poll that ended the first
				if err := a.d.Synchronize(context.Background()); err != nil {
					p.fail("Synchronize returned %v", err)
				}
			}
		})
	case stwMisuse:
		a.do("misuse", func() { p.misuse(a) })
	}
}

// begin begins an operation on a goroutine: the actor's, or one of its own.
func (p *stwProgram) begin(what string, a *actor, do func()) *stwOp {
	op := &stwOp{what: what, actor: a}
	p.ops = append(p.ops, op)
	run := func() {
		do()
		p.mu.Lock()
		defer p.mu.Unlock()
		op.over = true
	}
	if a == nil {
		go run()
	} else {
		a.doing = op
		a.tell <- run
	}
	return op
}

// end polls all domains until no operation is left, has them end, and closes the world.
func (p *stwProgram) end() {
	ok := p.failure() == nil
	if p.section != nil {
		p.enterOrLeave()
	}
	const rounds = 60
	for round := 0; round < rounds; round++ {
		p.openGate()
		p.mu.Lock()
		held := p.held
		p.mu.Unlock()
		if held {
			p.start()
		}
		for _, a := range p.actors {
			for p.isSuspended(a) {
				p.resume(a)
			}
			switch {
			case !a.idle():
			case a.blocked:
				a.do("LeaveBlocking", a.d.LeaveBlocking)
			case round < rounds/2:
				a.do("Poll", a.d.Poll)
			default:
				a.end()
			}
		}
		synctest.Wait()
		p.mu.Lock()
		p.ops = slices.DeleteFunc(p.ops, func(op *stwOp) bool { return op.over })
		switch left := slices.IndexFunc(p.ops, func(op *stwOp) bool { return op.what != "Close" }); {
		case round >= rounds/2:
		case left < 0:
			round = rounds/2 - 1
		case round == rounds/2-1:
			p.failLocked("all poll and poll, and %s is not over", p.ops[left].what)
		}
		p.mu.Unlock()
	}
	if ok {
		p.check()
	}
	p.do(stwClose)
	time.Sleep(time.Second) // the domain's callbacks
	synctest.Wait()
	if ok {
		p.check()
		p.mu.Lock()
		for _, c := range p.calls {
			if c.ran != 1 {
				p.failLocked("in the end a callback has run %d times", c.ran)
			}
		}
		if len(p.owed) > 0 {
			p.failLocked("%d panics have come out nowhere", len(p.owed))
		}
		for _, op := range p.ops {
			p.failLocked("in the end %s is not over", op.what)
		}
		p.mu.Unlock()
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if err := p.dom.Close(ctx); err != nil {
		p.fail("the smr domain: %v", err)
	}
}

package fuzz

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing/synctest"
	"time"

	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// The operations of a program on a world, each a byte modulo their number, and what
// follows it. An actor is one of the goroutines that are or were domains.
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
	stwGate               // lets go on who waits for it
	stwClose              // the world
	stwExternal           // actor: InterruptExternal
	stwMisuse             // actor
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

// What a handler does, plus for which participant times handlers.
const (
	handlePlain       = iota
	handleBarrier     // for all
	handlePanic       // for one
	handleInterrupt   // asks all
	handleGated       // for one
	handleSynchronize // for one, after having waited at the gate
	handleMisuse      // for all
	handleSetup       // waits at the gate before anybody is told
	handleWork        // for all, while they wait for others
	handlers
)

// maxDomains is how many domains a world of a program may have at a time.
const maxDomains = 4

// A stwProgram is a program on its way. Each thing that it does may have to wait for
// another; it goes on to the next when all that is going on is asleep or done.
type stwProgram struct {
	byteReader
	w   *stw.World
	dom *smr.Domain

	ops       []*stwOp
	actors    []*actor // in the order in which they came
	section   *smr.Section
	suspended map[*actor]int
	closed    bool

	mu       sync.Mutex // guards what follows, and what says so
	err      error
	gate     chan struct{}
	gated    int // that wait there
	held     bool
	ran      int            // interrupt functions
	ranHeld  int            // when the world was stopped
	owed     map[int]*actor // panics that are to come out of somebody's operation
	lastOwed int
	calls    []*stwCallback
	stops    []*stopSection
}

// An actor is a goroutine that is a domain and does what it is told.
type actor struct {
	p     *stwProgram
	d     *stw.Domain
	own   bool // spawned
	tell  chan func()
	err   error
	doing *stwOp // nil: waits to be told

	// Under the program's mu.
	started, dead bool
	blocked       bool
	running       bool // code of its user's, until it is told something
	period        int  // of that

	asked []*request
	done  int // so many of them
}

// A request is an interrupt function that was accepted.
type request struct{ nth int }

// A stwOp is something that was begun.
type stwOp struct {
	what  string
	actor *actor // who does it, if it is one
	over  bool   // under mu
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
	holders map[*actor]int // who was running, and which period it was
	section *smr.Section
	ran     int
}

func runStw(program []byte) error {
	p := &stwProgram{byteReader: program, suspended: make(map[*actor]int), gate: make(chan struct{}), owed: make(map[int]*actor)}
	var err error
	if p.dom, err = smr.New(smr.Options{Name: "FuzzStw", StallAfter: -1}); err != nil {
		return err
	}
	o := stw.Options{Max: maxDomains, SMR: []*smr.Domain{p.dom}, ExternalInterrupt: func(d *stw.Domain) { p.notUser(d, "the external hook") }}
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

// fail notes that something is wrong, unless something was before.
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

// actor returns the one that the program says, or nil if there is none.
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
		a.do("ForEach", func() { a.d.ForEach(func(d *stw.Domain) { p.notUser(d, "a ragged barrier's function") }) })
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

// Actors.

// idle reports whether the actor waits to be told something.
func (a *actor) idle() bool {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	return a.started && !a.dead && (a.doing == nil || a.doing.over)
}

// come makes a domain.
func (p *stwProgram) come(own bool) {
	p.mu.Lock()
	live := 0
	for _, a := range p.actors {
		if !a.dead {
			live++
		}
	}
	var want error
	switch {
	case p.closed:
		want = stw.ErrClosed
	case live == maxDomains:
		want = stw.ErrFull
	}
	p.mu.Unlock()
	a := &actor{p: p, own: own, tell: make(chan func())}
	op := &stwOp{what: "coming", actor: a}
	a.doing = op
	if own {
		d, err := p.w.Spawn(func(d *stw.Domain) { a.live(d) })
		if err != want {
			p.fail("Spawn returned %v, want %v", err, want)
		}
		if err != nil {
			return
		}
		a.d = d
		go func() { // its end
			if err := d.Join(context.Background()); err != nil {
				p.fail("Join returned %v", err)
			}
			a.ended()
		}()
	} else {
		got := make(chan struct{})
		go func() {
			d, err := p.w.Register()
			if err != want {
				p.fail("Register returned %v, want %v", err, want)
			}
			if err != nil {
				close(got)
				return
			}
			a.d = d
			close(got)
			a.live(d)
			a.outcome(panics(d.Deregister))
			a.ended()
		}()
		synctest.Wait()
		select {
		case <-got:
		default: // it waits for a stop to end; then it is in the world, and known to it
			if want == nil {
				a.d = p.newest()
			}
		}
		if a.d == nil {
			return
		}
	}
	p.actors = append(p.actors, a)
	p.ops = append(p.ops, op)
}

// newest returns a domain that is starting, and nobody's yet.
func (p *stwProgram) newest() *stw.Domain {
	last := uint64(0)
	for _, a := range p.actors {
		last = max(last, a.d.ID())
	}
	d, ok := p.w.Lookup(last + 1)
	if !ok {
		p.fail("Register is neither done nor waiting")
		return nil
	}
	return d
}

// live does what it is told until it is to end.
func (a *actor) live(d *stw.Domain) {
	d.PushRoots(1)[0] = uintptr(d.ID())
	a.resume(true)
	for do := range a.tell {
		a.resume(false)
		a.outcome(panics(do))
		a.resume(true)
	}
	a.resume(false)
}

// resume notes that the actor begins, or ceases, to run code of its user's.
func (a *actor) resume(running bool) {
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	a.started = true
	if a.doing != nil {
		a.doing.over = a.doing.over || running
	}
	a.running = running && !a.blocked
	if !a.running {
		a.period++
	}
}

// do has the actor do something.
func (a *actor) do(what string, do func()) {
	if what == "LeaveBlocking" {
		leave := do
		do = func() {
			defer func() {
				a.p.mu.Lock()
				defer a.p.mu.Unlock()
				a.blocked = false
			}()
			leave()
		}
	}
	a.p.begin(what, a, do)
}

// end has the actor end.
func (a *actor) end() {
	op := &stwOp{what: "ending", actor: a}
	a.p.ops = append(a.p.ops, op)
	a.doing = op
	close(a.tell)
}

func (a *actor) ended() {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.dead = true
	a.doing.over = true
	if a.done != len(a.asked) {
		a.p.failLocked("%v ended with %d of %d interrupts done", a.d, a.done, len(a.asked))
	}
}

// outcome looks at what came out of an operation of the actor's.
func (a *actor) outcome(value any) {
	if value == nil {
		return
	}
	p := a.p
	p.mu.Lock()
	defer p.mu.Unlock()
	panicked, ok := value.(*stw.Panic)
	if !ok {
		p.failLocked("%v panics: %v", a.d, value)
		return
	}
	for _, one := range append([]*stw.Panic{panicked}, panicked.Also...) {
		id, ok := one.Value.(int)
		if !ok || p.owed[id] != a {
			p.failLocked("%v panics: %v", a.d, one)
		}
		delete(p.owed, id)
	}
}

// owe panics with something that must come out of an operation of the actor's.
func (p *stwProgram) owe(a *actor) {
	p.mu.Lock()
	p.lastOwed++
	id := p.lastOwed
	p.owed[id] = a
	p.mu.Unlock()
	panic(id)
}

// of returns whose domain it is.
func (p *stwProgram) ofLocked(d *stw.Domain) *actor {
	for _, a := range p.actors {
		if a.d == d {
			return a
		}
	}
	return nil
}

// notUser says that something is run for a domain: so it must not run code of its user's.
func (p *stwProgram) notUser(d *stw.Domain, what string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a := p.ofLocked(d); a == nil || a.running || a.dead {
		p.failLocked("%s is run for %v, which runs code of its own or is dead", what, d)
	}
}

// Interrupts.

// accepted says whether a domain may have accepted or refused something.
func (p *stwProgram) accepted(a *actor, err error) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	ending := a.doing != nil && a.doing.what == "ending"
	if err != nil && (err != stw.ErrDead || !ending) || err == nil && a.dead {
		p.failLocked("what is asked of %v, which is dead: %v, is answered %v", a.d, a.dead, err)
	}
	return err == nil
}

// interrupt asks the actor to run a function.
func (p *stwProgram) interrupt(a *actor, what int) {
	p.mu.Lock()
	r := &request{len(a.asked)}
	a.asked = append(a.asked, r)
	p.mu.Unlock()
	err := a.d.Interrupt(func(d *stw.Domain) {
		p.notUser(d, "an interrupt function")
		p.mu.Lock()
		if a.done++; d != a.d || a.asked[a.done-1] != r {
			p.failLocked("interrupt %d of %v is run as number %d", r.nth, a.d, a.done-1)
		}
		if p.ran++; p.held {
			p.failLocked("an interrupt function is run while the world is stopped")
		}
		p.mu.Unlock()
		switch {
		case what == askAgain:
			if !p.asking(a) {
				p.interrupt(a, askPlain)
			}
		case what == askPanic && !a.own: // of another it would end the process
			p.owe(a)
		case what == askRead:
			if s := d.Section(); !s.Active() {
				p.fail("the section in an interrupt function is not open")
			}
		}
	})
	if !p.accepted(a, err) {
		p.mu.Lock()
		a.asked = slices.DeleteFunc(a.asked, func(o *request) bool { return o == r })
		p.mu.Unlock()
	}
}

// asking reports whether the actor is ending, and what is asked may be refused.
func (p *stwProgram) asking(a *actor) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return a.doing != nil && a.doing.what == "ending"
}

// polled says that the actor's poll is over, before which so many interrupts had been
// accepted.
func (p *stwProgram) polled(a *actor, before int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if a.done < before {
		p.failLocked("%v polled, and %d of %d interrupts were done", a.d, a.done, before)
	}
}

// Stops.

// lead has the actor try to run a handler for all.
func (p *stwProgram) lead(op int, a *actor, h int) {
	s := &stopSection{handler: h % handlers, nth: h / handlers, async: op == stwAsync, ran: make(map[*stw.Domain]int), ended: make(map[*stw.Domain]bool)}
	p.stops = append(p.stops, s)
	o := stw.StopOptions{Async: s.async}
	if s.handler == handleSetup {
		o.Setup = func(*stw.Stop) { p.waitAtGate() }
	}
	if s.handler == handleWork && !s.async {
		left := 5
		o.EnterWork = func(d *stw.Domain, _ *stw.Stop) bool {
			p.notUser(d, "EnterWork")
			p.mu.Lock()
			defer p.mu.Unlock()
			left--
			return left > 0
		}
	}
	handler := func(d *stw.Domain, stop *stw.Stop) { p.handle(s, a, d, stop) }
	name := "RunOnAll"
	if op == stwTry {
		name = "TryRunOnAll"
	}
	p.mu.Lock()
	alone := !p.stoppingLocked()
	p.mu.Unlock()
	a.do(name, func() {
		led, returned := true, false
		defer func() {
			// If a panic comes out it is a handler's, or an interrupt function's.
			p.led(s, led, returned)
		}()
		if op == stwTry {
			if led = p.w.TryRunOnAll(a.d, handler, o); alone && !led {
				p.fail("TryRunOnAll did not lead, and nobody else did")
			}
		} else {
			p.w.RunOnAll(a.d, handler, o)
		}
		returned = true
	})
}

// led says that a section is over, or did not take place.
func (p *stwProgram) led(s *stopSection, led, returned bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !returned {
		led = len(s.ran) > 0
	}
	switch {
	case !led && len(s.ran) > 0:
		p.failLocked("the handler of a stop that did not take place was run")
	case led && !s.async && (s.participants == 0 || len(s.ran) != s.participants || len(s.ended) != s.participants):
		p.failLocked("a stop of %d is over, the handler was begun for %d and is over for %d", s.participants, len(s.ran), len(s.ended))
	}
}

// handle is every handler.
func (p *stwProgram) handle(s *stopSection, leader *actor, d *stw.Domain, stop *stw.Stop) {
	p.notUser(d, "a handler")
	p.mu.Lock()
	all := stop.Participants()
	s.participants = len(all)
	if s.ran[d]++; s.ran[d] > 1 || !slices.Contains(all, d) || stop.Leader() != leader.d {
		p.failLocked("a handler is run for %v, of %v, time %d", d, all, s.ran[d])
	}
	for _, other := range all {
		if a := p.ofLocked(other); !s.async && a.running && !s.ended[other] {
			p.failLocked("a handler runs while %v does", other)
		}
	}
	for _, o := range p.stops {
		if o != s && len(o.ran) > len(o.ended) {
			p.failLocked("a stop begins before the last one is over")
		}
	}
	if p.held {
		p.failLocked("a handler is run while the world is stopped")
	}
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		s.ended[d] = true
	}()
	chosen := all[s.nth%len(all)] == d
	switch {
	case s.handler == handleBarrier:
		p.phases(s, stop)
	case s.handler == handlePanic && chosen && !leader.own:
		p.owe(leader)
	case s.handler == handleInterrupt:
		p.mu.Lock()
		a := p.ofLocked(d)
		p.mu.Unlock()
		if !p.asking(a) {
			p.interrupt(a, askPlain)
		}
	case s.handler == handleGated && chosen:
		p.waitAtGate()
	case s.handler == handleSynchronize && chosen && !s.async:
		p.waitAtGate()
		if err := p.dom.Synchronize(context.Background()); err != nil {
			p.fail("Synchronize in a handler returned %v", err)
		}
	case s.handler == handleMisuse:
		d.Poll() // does nothing
		if panics(d.EnterBlocking) == nil || panics(func() { p.w.TryRunOnAll(d, func(*stw.Domain, *stw.Stop) {}, stw.StopOptions{}) }) == nil {
			p.fail("a handler may block or lead a stop")
		}
	}
}

// phases has the participants go through some phases together.
func (p *stwProgram) phases(s *stopSection, stop *stw.Stop) {
	const phases = 4
	for phase := range phases {
		p.mu.Lock()
		if s.phase != phase {
			p.failLocked("phase %d begins for one while it is %d", phase, s.phase)
		}
		p.mu.Unlock()
		stop.Barrier(func() {
			p.mu.Lock()
			defer p.mu.Unlock()
			s.phase++
		})
	}
}

func (p *stwProgram) waitAtGate() {
	p.mu.Lock()
	gate := p.gate
	p.gated++
	p.mu.Unlock()
	<-gate
	p.mu.Lock()
	defer p.mu.Unlock()
	p.gated--
}

func (p *stwProgram) openGate() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.gate)
	p.gate = make(chan struct{})
}

// stop stops the world, on a goroutine that is no domain.
func (p *stwProgram) stop() {
	waiting := 0
	for _, op := range p.ops {
		if op.what == "Stop" {
			waiting++
		}
	}
	if waiting == 2 {
		return
	}
	p.begin("Stop", nil, func() {
		p.w.Stop()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.held {
			p.failLocked("the world is stopped twice")
		}
		p.held, p.ranHeld = true, p.ran
	})
}

func (p *stwProgram) start() {
	p.mu.Lock()
	held := p.held
	p.held = false
	p.mu.Unlock()
	if what := panics(p.w.Start); (what == nil) != held {
		p.fail("Start of a world that is stopped: %v: panics with %v", held, what)
	}
}

// Suspensions, ragged barriers, grace periods.

func (p *stwProgram) suspend(a *actor) {
	op := p.begin("Suspend", nil, func() {
		err := a.d.Suspend(context.Background())
		if !p.accepted(a, err) {
			return
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		if a.running {
			p.failLocked("%v is suspended and runs", a.d)
		}
		p.suspended[a]++
	})
	op.actor = a
}

func (p *stwProgram) resume(a *actor) {
	p.mu.Lock()
	suspended := p.suspended[a] > 0
	if suspended {
		p.suspended[a]--
	}
	pending := slices.ContainsFunc(p.ops, func(o *stwOp) bool { return o.what == "Suspend" && o.actor == a && !o.over })
	p.mu.Unlock()
	if !suspended && pending {
		return // it would take back one that waits
	}
	if what := panics(a.d.Resume); (what == nil) != suspended {
		p.fail("Resume of a domain that is suspended: %v: panics with %v", suspended, what)
	}
}

func (p *stwProgram) forEach(panicking bool) {
	want := p.w.Domains()
	p.begin("ForEach", nil, func() {
		var mu sync.Mutex
		ran := make(map[*stw.Domain]int)
		what := panics(func() {
			p.w.ForEach(func(d *stw.Domain) {
				p.notUser(d, "a ragged barrier's function")
				mu.Lock()
				ran[d]++
				mu.Unlock()
				if panicking && d == want[0] {
					panic("in ForEach")
				}
			})
		})
		for _, d := range want {
			if ran[d] != 1 {
				p.fail("ForEach ran its function %d times for %v", ran[d], d)
			}
		}
		var panicked *stw.Panic
		if err, _ := what.(error); (what != nil) != (panicking && len(want) > 0) || what != nil && !errors.As(err, &panicked) {
			p.fail("ForEach panics with %v", what)
		}
	})
}

func (p *stwProgram) enterOrLeave() {
	if p.section == nil {
		s := p.dom.Enter()
		p.section = &s
	} else {
		p.section.Leave()
		p.section = nil
	}
}

// call makes a deferred call, while some domains run.
func (p *stwProgram) call() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &stwCallback{holders: make(map[*actor]int), section: p.section}
	for _, a := range p.actors {
		if a.running {
			c.holders[a] = a.period
		}
	}
	p.calls = append(p.calls, c)
	p.dom.CallFunc(smr.Expedite, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		c.ran++
	})
}

func (p *stwProgram) misuse(a *actor) {
	if panics(a.d.LeaveBlocking) == nil {
		p.fail("LeaveBlocking of a domain that is not blocked")
	}
	if a.own && panics(a.d.Deregister) == nil {
		p.fail("Deregister of a domain that was spawned")
	}
	if s := a.d.Section(); !s.Active() {
		p.fail("the section of a domain that runs is not open")
	}
	a.d.PushRoots(3)
	a.d.PopRoots()
	if panics(func() { a.d.PushRoots(-1) }) == nil {
		p.fail("PushRoots of less than nothing")
	}
}

// Checks.

// check compares what is with what must hold when all is quiet.
func (p *stwProgram) check() {
	synctest.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	slots := make(map[int]*actor)
	ids := uint64(0)
	for _, a := range p.actors {
		if id := a.d.ID(); id <= ids {
			p.failLocked("domain %d comes after %d", id, ids)
		}
		ids = a.d.ID()
		p.checkActorLocked(a)
		if a.dead {
			continue
		}
		if slot := a.d.Slot(); slot < 0 || slot >= maxDomains || slots[slot] != nil {
			p.failLocked("%v has slot %d", a.d, slot)
		}
		slots[a.d.Slot()] = a
	}
	for _, op := range p.ops {
		if !op.over && !p.excusedLocked(op) {
			p.failLocked("%s is not over, and nobody knows why", op.what)
		}
	}
	p.ops = slices.DeleteFunc(p.ops, func(op *stwOp) bool { return op.over })
	for _, c := range p.calls {
		p.checkCallLocked(c)
	}
	if p.held {
		p.scanLocked()
	}
}

// scanLocked looks at the roots of a world that is stopped: everybody has one.
func (p *stwProgram) scanLocked() {
	var want, got []uint64
	for _, a := range p.actors {
		if a.started && !a.dead {
			want = append(want, a.d.ID())
		}
	}
	p.w.Scan(func(d *stw.Domain, word uintptr) {
		if uint64(word) != d.ID() {
			p.failLocked("a root of %v is %d", d, word)
		}
		got = append(got, d.ID())
	})
	if slices.Sort(got); !slices.Equal(got, want) {
		p.failLocked("Scan finds the roots of %d, want those of %d", got, want)
	}
}

func (p *stwProgram) checkActorLocked(a *actor) {
	state, busy := a.d.State(), a.doing != nil && !a.doing.over
	if a.dead != (state == stw.Dead) && !busy {
		p.failLocked("%v is %v; it has ended: %v", a.d, state, a.dead)
	}
	if _, found := p.w.Lookup(a.d.ID()); found == a.dead {
		p.failLocked("Lookup finds %v: %v", a.d, found)
	}
	switch {
	case a.running && state != stw.Running:
		p.failLocked("%v runs and is %v", a.d, state)
	case a.running && (p.held || p.suspended[a] > 0):
		p.failLocked("%v runs, though the world is stopped: %v, or it is suspended", a.d, p.held)
	case a.blocked && !busy && state != stw.Blocked:
		p.failLocked("%v is blocked and is %v", a.d, state)
	case a.blocked && !busy && a.done < len(a.asked) && p.suspended[a] == 0 && !p.stoppingLocked():
		p.failLocked("%v is blocked, and %d of %d interrupts are done", a.d, a.done, len(a.asked))
	}
}

// stoppingLocked reports whether a stop may be in progress, or about to be.
func (p *stwProgram) stoppingLocked() bool {
	for _, op := range p.ops {
		if !op.over && (op.what == "RunOnAll" || op.what == "TryRunOnAll" || op.what == "Stop") {
			return true
		}
	}
	for _, s := range p.stops {
		if s.async && len(s.ended) < s.participants {
			return true
		}
	}
	return p.held
}

// excusedLocked reports whether an operation may have to wait for something that the
// program has yet to do.
func (p *stwProgram) excusedLocked(op *stwOp) bool {
	if op.what == "Close" {
		return slices.ContainsFunc(p.actors, func(a *actor) bool { return !a.dead })
	}
	suspended := false
	for a, n := range p.suspended {
		suspended = suspended || n > 0 && (op.actor == a || op.what == "Poll")
	}
	running := slices.ContainsFunc(p.actors, func(a *actor) bool { return a.running })
	reading := p.section != nil
	if op.what == "Poll" || op.what == "EnterBlocking" || op.what == "LeaveBlocking" || op.what == "ending" || op.what == "coming" {
		// Nothing but a stop or a suspension holds these up.
		return suspended || p.suspendingLocked(op.actor) || p.stoppingLocked() || p.gated > 0
	}
	return p.held || p.gated > 0 || suspended || running || reading || p.suspendedLocked()
}

// suspendedLocked reports whether anybody is suspended, or is to be.
func (p *stwProgram) suspendedLocked() bool {
	for _, n := range p.suspended {
		if n > 0 {
			return true
		}
	}
	return slices.ContainsFunc(p.ops, func(op *stwOp) bool { return op.what == "Suspend" && !op.over })
}

func (p *stwProgram) suspendingLocked(a *actor) bool {
	return slices.ContainsFunc(p.ops, func(op *stwOp) bool { return op.what == "Suspend" && op.actor == a && !op.over })
}

func (p *stwProgram) checkCallLocked(c *stwCallback) {
	held := c.section != nil && c.section == p.section
	for a, period := range c.holders {
		held = held || a.running && a.period == period
	}
	if c.ran > 1 || c.ran == 1 && held {
		p.failLocked("a callback ran %d times, though a section is open from before its Call: %v", c.ran, held)
	}
	if c.ran == 1 {
		c.holders, c.section = nil, nil
	}
}

// end polls everybody until nothing is left to be done, has them end, and closes all.
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
			for p.suspended[a] > 0 {
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

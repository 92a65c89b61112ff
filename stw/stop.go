package stw

import (
	"fmt"
	"slices"

	"github.com/gosmr/gosmr/internal/sched/atomic"
)

// A Handler is run for every domain in a stop-the-world section: by the domain, or
// on its behalf if it is blocked.
type Handler func(*Domain, *Stop)

// StopOptions vary a stop-the-world section. The zero StopOptions is valid.
type StopOptions struct {
	// Setup is called by the leader when it is settled that the section takes
	// place and who takes part, before anybody is asked to stop.
	Setup func(*Stop)

	// EnterWork is called over and over by a participant that waits for others to
	// come in, while it returns true: for work that would be idle time otherwise.
	// Each call must be short.
	EnterWork func(*Domain, *Stop) bool

	// Async does not stop the world at one time: each domain runs the handler
	// when it gets to its next safe point. RunOnAll returns when the leader's own
	// has ended. No other section begins before all have.
	Async bool
}

// A Stop is one stop-the-world section: from the moment when it is settled who
// leads until the last participant has ended its handler.
//
//	leader        ──lead──tell────┐         ┌─────handler──┐
//	participant   ────────────poll┤ all are ├─handler──┐   ├ the last one out
//	participant   ────poll────────┤   in    ├─────handler┐ │ ends the section
//	blocked one's       stand-in──┘         └─handler─┐
//
// Nobody runs code of the user's between coming in and the end of its handler, but
// for StopOptions.EnterWork and the handler itself.
// Whoever has ended its handler goes on at once, unless it is the leader.
type Stop struct {
	// Constant once the participants are told.

	w            *World
	leader       *Domain // nil for World.Stop
	handler      Handler
	opts         StopOptions
	participants []*Domain
	spins        int

	// entry counts those that have yet to come in, inside those whose handler has
	// yet to end; ended is set by the last of these. Waited for by park.
	entry  atomic.Int32
	inside atomic.Int32
	ended  atomic.Bool
	park   parking

	bar barrier

	started atomic.Bool // of World.Stop: Start was called

	failures failures // of handlers
}

// Leader returns the domain that leads, nil in the section of [World.Stop].
func (s *Stop) Leader() *Domain { return s.leader }

// Participants returns the domains that take part, the leader among them. It must
// not be changed.
func (s *Stop) Participants() []*Domain { return s.participants }

// Barrier waits, inside a handler, until every participant has called it. The last
// one to do so runs last, if that is not nil, before any goes on. A participant
// whose handler ends is waited for no more, so a handler may return early, after
// its last Barrier; if it is one that others wait for in vain, nobody runs last.
//
// Idea: the sense-reversing barrier of OCaml's domain.c.
func (s *Stop) Barrier(last func()) { s.bar.await(last) }

// TryRunOnAll stops the world, runs the handler for every domain, and returns true
// when all have ended. d is the caller's domain, which leads. If another stop is
// in progress or just begins, or a domain waits to lead one that is not suspended, it
// returns false: d has taken part in that one, if it was asked to already, and the handler
// was not run. Owner.
//
// It panics inside a handler. A panic in a handler is passed on to the leader, as a
// [*Panic], when the section has ended, or out of a later Poll if that was
// asynchronous; the others' handlers run to their end.
func (w *World) TryRunOnAll(d *Domain, handler Handler, o StopOptions) bool {
	return w.newStop("TryRunOnAll", d, handler, o).try()
}

// RunOnAll is TryRunOnAll until that succeeds. Those that wait to lead do so in the
// order in which they came; a domain that is suspended when its turn comes lets the others
// go first, and keeps its place. Owner.
func (w *World) RunOnAll(d *Domain, handler Handler, o StopOptions) {
	s := w.newStop("RunOnAll", d, handler, o)
	if s.try() {
		return
	}
	w.queue(s)
	s.leadInTurn()
}

// leadInTurn leads s, which is queued.
func (s *Stop) leadInTurn() {
	defer s.w.unqueue(s) // also if the domain ends meanwhile
	for {
		s.leader.Blocking(func() { s.w.waitTurn(s) })
		if s.try() {
			return
		}
	}
}

func (w *World) newStop(op string, d *Domain, handler Handler, o StopOptions) *Stop {
	if d.w != w {
		panic(fmt.Sprintf("stw: %s on another world than the domain's", op))
	}
	if handler == nil {
		panic(fmt.Sprintf("stw: %s with a nil handler", op))
	}
	d.mustRun(op)
	d.check(op)
	return &Stop{w: w, leader: d, handler: handler, opts: o}
}

// try leads the section, if it may.
func (s *Stop) try() bool {
	w, d := s.w, s.leader
	if w.stop.Load() != nil || !w.lead(s, 0) {
		d.pollSlow()
		return false
	}
	d.become(serving)
	defer d.become(running)
	s.setUp()
	s.tell(d)
	s.takeLead()
	if s.opts.Async {
		return true // others may be adding to failures yet
	}
	if p := s.failures.first; p != nil {
		panic(p)
	}
	return true
}

// takeLead takes part as the leader. It is no reader before the section has ended,
// unless that is asynchronous: others' handlers may wait for grace periods.
func (s *Stop) takeLead() {
	d := s.leader
	d.readers.goOffline()
	defer d.readers.goOnline()
	s.takePart(d)
	if !s.opts.Async {
		s.park.wait(s.spins, s.ended.Load)
	}
}

// lead makes s the stop in progress, unless there is one. external is how many
// take part besides the domains.
func (w *World) lead(s *Stop, external int) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop.Load() != nil {
		return false
	}
	if next := w.turnLocked(); next != nil && next != s {
		return false
	}
	w.unqueueLocked(s)
	s.participants = slices.Clone(w.set)
	n := len(s.participants)
	s.entry.Store(int32(n))
	s.inside.Store(int32(n + external))
	s.spins = spinsFor(n + external)
	s.bar.init(n, s.spins)
	w.stop.Store(s)
	return true
}

// setUp calls Setup. If that panics, nobody knows of the stop yet, and it ends.
func (s *Stop) setUp() {
	if s.opts.Setup == nil {
		return
	}
	done := false
	defer func() {
		if !done {
			s.end()
		}
	}()
	s.opts.Setup(s)
	done = true
}

// tell asks every participant but one to take part.
func (s *Stop) tell(but *Domain) {
	for _, p := range s.participants {
		if p == but {
			continue
		}
		p.mu.Lock()
		p.noted.stop = s
		p.askLocked()
		p.checkLocked()
		p.mu.Unlock()
	}
}

// takePart is called by the owner of d.
func (s *Stop) takePart(d *Domain) {
	defer s.exit() // also if the handler ends the goroutine
	s.handle(d)
}

// handle comes in, waits for the others and runs the handler. It is called by whoever
// acts for d, who must exit then.
//
// A participant is no reader: grace periods that wait for it end, and the handler
// may wait for one.
func (s *Stop) handle(d *Domain) {
	online := d.readers.online
	d.readers.goOffline()
	defer func() {
		if online {
			d.readers.goOnline()
		}
	}()
	if p := catch(d, "a stop handler", func() {
		s.enter(d)
		s.handler(d, s)
	}); p != nil {
		s.failures.add(p)
	}
}

// enter returns when all participants are in.
func (s *Stop) enter(d *Domain) {
	if s.entry.Add(-1) == 0 {
		s.park.wake()
		return
	}
	if s.opts.Async {
		return
	}
	allIn := func() bool { return s.entry.Load() == 0 }
	if work := s.opts.EnterWork; work != nil {
		for !allIn() && work(d, s) {
		}
	}
	s.park.wait(s.spins, allIn)
}

// exit ends a participant's part. The last one out ends the section.
func (s *Stop) exit() {
	s.bar.drop()
	if s.inside.Add(-1) == 0 {
		s.end()
	}
}

// end lets another stop begin, after those have come and gone that waited to. If the
// leader does not wait for the end, handlers' panics are passed on at its next poll.
func (s *Stop) end() {
	if p := s.failures.first; p != nil && s.opts.Async {
		s.leader.notePanic(p)
	}
	w := s.w
	w.mu.Lock()
	w.stop.Store(nil)
	w.nextLocked()
	w.mu.Unlock()
	s.ended.Store(true)
	s.park.wake()
}

// Stop stops all domains, and returns when they are stopped: each is at a safe
// point until Start, nothing runs on behalf of blocked ones, and new ones wait.
// A stop in progress is waited for, and so is another's Start.
//
// A domain must not call it outside [Domain.Blocking], and then must call Start
// inside. Idea: stop_the_world of SBCL.
func (w *World) Stop() {
	w.checkOutside("Stop")
	s := &Stop{w: w, handler: func(_ *Domain, s *Stop) { s.park.wait(0, s.started.Load) }}
	for w.queue(s); !w.lead(s, 1); {
		w.waitTurn(s)
	}
	s.tell(nil)
	s.park.wait(s.spins, func() bool { return s.entry.Load() == 0 })
	w.mu.Lock()
	w.held = s
	w.mu.Unlock()
}

// Start lets the domains go on after [World.Stop]. Any goroutine may call it that
// knows the world to be stopped; it panics if it is not.
func (w *World) Start() {
	w.mu.Lock()
	s := w.held
	w.held = nil
	w.mu.Unlock()
	if s == nil {
		panic("stw: Start of a world that is not stopped by Stop")
	}
	s.started.Store(true)
	s.park.wake()
	if s.inside.Add(-1) == 0 {
		s.end()
	}
}

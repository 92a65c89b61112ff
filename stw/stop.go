package stw

import (
	"context"
	"fmt"
	"slices"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A Handler runs once for every domain in a stop: on the domain's goroutine or, while the domain is
// blocked, on a stand-in.
type Handler func(*Domain, *Stop)

// StopOptions vary a stop. The zero StopOptions is valid.
type StopOptions struct {
	// Setup is called by the leader when the participants are known and none has been told.
	Setup func(*Stop)

	// EnterWork is called by a participant that waits for the others to come in, again and again
	// until all are in or it returns false. Each call must be short. If one panics, the handler runs
	// all the same, and RunOnAll panics with a [*Panic] at the end of the stop, also of one that is
	// given up. If one calls runtime.Goexit, the handler does not run for that domain.
	EnterWork func(*Domain, *Stop) bool

	// Async does not make the participants wait for one another: each domain runs the handler at
	// its next safe point. RunOnAll returns when the leader's own handler has returned. No other
	// stop begins before all handlers have.
	Async bool
}

// A Stop is one stop-the-world section: from when it has a leader until the last handler returns.
//
//	leader        ──lead──tell────┐         ┌─────handler──┐
//	participant   ────────────poll┤ all are ├─handler──┐   ├ the last one out
//	participant   ────poll────────┤   in    ├─────handler┐ │ ends the stop
//	blocked one's       stand-in──┘         └─handler─┐
//
// From the time it comes in until its handler returns, a participant runs no other user code than
// StopOptions.EnterWork and the handler. Then it goes on at once, but the leader waits for the end
// of the stop.
type Stop struct {
	// Constant when the first participant is told.

	w            *World
	leader       *Domain         // nil for World.Stop
	op           string          // the method that waits for the stop, for stall reports
	ctx          context.Context // the caller's, who alone waits with it
	handler      Handler
	opts         StopOptions
	participants []*Domain
	spins        int

	// Those that wait in park read these words, but for inside.
	entry   satomic.Int32 // participants that have yet to come in: each decrements it; giveUp makes it negative
	inside  satomic.Int32 // participants that have yet to exit: each decrements it, or giveUp does
	ended   satomic.Bool  // set by the last one out, or by setUp, if Setup panics
	started satomic.Bool  // set by World.Start, awaited by the handler of World.Stop
	park    parking

	bar      barrier
	failures failures // panics of handlers
	err      error    // ctx.Err() if given up; the leader's own
}

// Leader returns the domain that leads the stop, or nil in a stop of [World.Stop].
func (s *Stop) Leader() *Domain { return s.leader }

// Participants returns the domains that take part, including the leader. Do not change the slice.
func (s *Stop) Participants() []*Domain { return s.participants }

// Barrier waits until every participant has called it. The last to arrive calls last, if it is not
// nil, before any goes on. A participant whose handler returns drops out: the others no longer wait
// for it. If all others are waiting for it then, they go on and none calls last. Call Barrier only
// in a handler.
func (s *Stop) Barrier(last func()) { s.bar.await(last) }

// SplitBarrier is Barrier with work between its halves: it arrives, calls work, and then waits for
// those that have not arrived. So what others need is done before SplitBarrier, and what none needs
// before the next barrier in work. The last to arrive calls last, before its own work and while others
// are at theirs. work must not call Barrier or SplitBarrier.
func (s *Stop) SplitBarrier(work, last func()) { s.bar.split(work, last) }

// TryRunOnAll stops the world, runs the handler for every domain, and returns true when all
// handlers have returned. d, the caller's domain, leads. If another stop is in progress, or another
// leader waits for its turn and is not suspended, TryRunOnAll returns false without running the
// handler; d has then polled, and taken part in the other stop if already told. Call it only from
// d's own goroutine, and not in a handler.
//
// If a handler panics, the others still run to their end. Then TryRunOnAll panics with a [*Panic], also
// while runtime.Goexit in d's own handler ends the goroutine; or a later Poll of the leader does if the
// stop is asynchronous.
func (w *World) TryRunOnAll(d *Domain, handler Handler, o StopOptions) bool {
	led, _ := w.TryRunOnAllContext(context.Background(), d, handler, o)
	return led
}

// TryRunOnAllContext is TryRunOnAll, but gives up if ctx ends before all participants are in: then
// it returns ctx.Err(), no handler has run, and the stop is over; if an EnterWork has panicked, it passes
// that panic on instead. Once they are in, the handlers run
// to their end, whatever becomes of ctx, and so do those of an asynchronous stop once it has begun.
func (w *World) TryRunOnAllContext(ctx context.Context, d *Domain, handler Handler, o StopOptions) (bool, error) {
	return w.newStop("TryRunOnAll", ctx, d, handler, o).try()
}

// RunOnAll is TryRunOnAll, but waits for its turn to lead. Domains lead in the order in which they
// began to wait; one that is suspended at its turn keeps its place and lets others lead first. Call
// RunOnAll only from d's own goroutine, and not in a handler.
func (w *World) RunOnAll(d *Domain, handler Handler, o StopOptions) {
	w.RunOnAllContext(context.Background(), d, handler, o)
}

// RunOnAllContext is RunOnAll, but gives up if ctx ends before its turn to lead, and then as
// TryRunOnAllContext does. While another stop is in progress, d takes part in it, and
// RunOnAllContext does not return.
func (w *World) RunOnAllContext(ctx context.Context, d *Domain, handler Handler, o StopOptions) error {
	s := w.newStop("RunOnAll", ctx, d, handler, o)
	if led, err := s.try(); led || err != nil {
		return err
	}
	w.queue(s)
	return s.leadInTurn()
}

// leadInTurn waits for the turn of s, which is queued, and leads it.
func (s *Stop) leadInTurn() (err error) {
	defer s.w.unqueue(s) // also if an interrupt panics or ends the domain
	for {
		s.leader.Blocking(func() { err = s.w.waitTurn(s) })
		if err != nil {
			return err
		}
		if led, err := s.try(); led || err != nil {
			return err
		}
	}
}

// newStop returns a stop that d may lead. It panics if d may not.
func (w *World) newStop(op string, ctx context.Context, d *Domain, handler Handler, o StopOptions) *Stop {
	if d.w != w {
		panic(fmt.Sprintf("stw: %s on another world than the domain's", op))
	}
	if handler == nil {
		panic(fmt.Sprintf("stw: %s with a nil handler", op))
	}
	d.currentPhase().mustRun(op)
	d.check(op)
	return &Stop{w: w, op: op, leader: d, ctx: ctx, handler: handler, opts: o}
}

// try leads the stop, or polls if another is in progress or comes first. It reports whether it led.
// err is not nil if the stop is given up.
func (s *Stop) try() (led bool, err error) {
	w, d := s.w, s.leader
	if err := s.ctx.Err(); err != nil {
		return false, err
	}
	if w.stop.Load() != nil || !w.lead(s, 0) {
		d.pollSlow()
		return false, nil
	}
	d.become(serving)
	defer d.become(running)
	s.setUp()
	s.tell(d)
	// Handlers may wait for grace periods, so the leader stays offline until all have returned.
	d.readers.goOffline()
	defer d.readers.goOnline()
	defer s.finish() // also if the leader's handler ends its goroutine
	s.takePart(d)
	return s.err == nil, s.err
}

// finish returns when the stop has ended, and panics if a handler has. It does neither for an
// asynchronous stop, whose handlers may still be adding to failures.
func (s *Stop) finish() {
	if s.opts.Async {
		return
	}
	s.park.waitOr(s.waitIn(context.Background()), s.spins, s.ended.Load)
	if p := s.failures.first; p != nil {
		panic(p)
	}
}

// lead makes s the stop in progress, and reports whether it could. external is the number of
// participants that are not domains.
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
	s.bar.init(n+external, s.spins)
	w.stop.Store(s)
	return true
}

// setUp calls Setup. If that panics, the stop ends before any participant is told.
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

// tell asks all participants except one to take part.
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

// takePart does d's part of the stop. The owner of d calls it.
func (s *Stop) takePart(d *Domain) {
	defer s.exit() // also if the handler calls Goexit
	s.handle(d)
}

// handle enters the stop and runs the handler, with the domain offline: handlers may wait for grace
// periods. The goroutine that acts for d calls handle, and then exit.
func (s *Stop) handle(d *Domain) {
	if d.readers.online {
		d.readers.goOffline()
		defer d.readers.goOnline()
	}
	if p := catch(d, "a stop handler", func() {
		if s.enter(d) {
			s.handler(d, s)
		}
	}); p != nil {
		s.failures.add(p)
	}
}

// enter returns true when all participants are in, or at once if the stop is asynchronous, and false
// when the stop is given up. If EnterWork panics or ends the goroutine, it waits as well: the leader
// may still give up, and the others run no user code before all are in.
func (s *Stop) enter(d *Domain) (in bool) {
	n := s.entry.Add(-1)
	if n == 0 {
		s.park.wake()
	}
	if n == 0 || s.opts.Async {
		return true
	}
	x := &endless
	if d == s.leader {
		x = s.waitIn(s.ctx)
	}
	defer func() {
		if err := s.park.waitOr(x, s.spins, s.decided); err != nil && s.giveUp() {
			s.err = err
		}
		in = s.entry.Load() == 0
	}()
	if work := s.opts.EnterWork; work != nil {
		if p := catch(d, "EnterWork", func() {
			for !s.decided() && x.ctx.Err() == nil && work(d, s) {
			}
		}); p != nil {
			s.failures.add(p)
		}
	}
	return false // the deferred function knows
}

// waitIn returns a wait for the participants.
func (s *Stop) waitIn(ctx context.Context) *wait { return &wait{ctx, s.w, s.op, s} }

// decided reports whether all participants are in, or the stop is given up. Neither changes then.
func (s *Stop) decided() bool { return s.entry.Load() <= 0 }

// exit ends a participant's part. The last one out ends the stop.
func (s *Stop) exit() {
	s.bar.drop()
	if s.inside.Add(-1) == 0 {
		s.end()
	}
}

// end ends the stop: domains that wait to join or leave do so before another stop can begin. The
// panics of an asynchronous stop go to the leader's next poll.
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

// Stop returns when all domains are stopped. Until [World.Start] each stays at a safe point, no
// stand-in runs anything for a blocked one, and new domains wait. Stop first waits for its turn, as
// RunOnAll does, and for the Start of an earlier Stop. A domain may call Stop only in
// [Domain.Blocking], and must call Start before it comes back.
func (w *World) Stop() { w.StopContext(context.Background()) }

// StopContext is Stop, but returns ctx.Err() if ctx ends first: then the domains go on as if nothing
// had been asked of them, and the world is not to be started.
func (w *World) StopContext(ctx context.Context) error {
	w.checkOutside("Stop")
	if err := ctx.Err(); err != nil {
		return err
	}
	s := &Stop{w: w, op: "Stop", ctx: ctx, handler: func(_ *Domain, s *Stop) { s.park.wait(0, s.started.Load) }}
	for w.queue(s); !w.lead(s, 1); {
		if err := w.waitTurn(s); err != nil {
			return err
		}
	}
	s.tell(nil)
	if err := s.park.waitOr(s.waitIn(ctx), s.spins, s.decided); err != nil && s.giveUp() {
		s.exit()
		s.park.wait(s.spins, s.ended.Load)
		return err
	}
	w.mu.Lock()
	w.held = s
	w.mu.Unlock()
	return nil
}

// Start lets the domains go on after [World.Stop]. Any goroutine may call it. It panics if the
// world is not stopped by Stop.
func (w *World) Start() {
	checkMayBlock("Start")
	w.mu.Lock()
	s := w.held
	w.held = nil
	w.mu.Unlock()
	if s == nil {
		panic("stw: Start of a world that is not stopped by Stop")
	}
	s.started.Store(true)
	s.park.wake()
	s.exit()
}

package stw

import (
	"context"
	"fmt"
	"time"

	"github.com/gosmr/gosmr/internal/goid"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/pcpu"
)

// A Domain is a worker: a goroutine that can be stopped, because it reaches a safe point now and
// then ([Domain.Poll]) or stays at one ([Domain.Blocking]).
//
// Any goroutine may call a method unless its comment says otherwise; with -tags invariants, Poll,
// Blocking and RunOnAll check that. Comments call the domain's own goroutine its owner.
type Domain struct {
	// pending is not 0 when the domain should come to a safe point; its bits are below. A request
	// sets a bit after it is noted. The owner reads pending in every Poll, and clears it at a safe
	// point before it reads the notes. The pad keeps the fields below off the line that Poll reads.
	pending struct {
		satomic.Uint32
		_ [pcpu.Stride - 4]byte
	}

	// Constant after creation.

	w    *World
	id   uint64
	slot int
	done chan struct{} // closed at the very end
	err  error         // what Join returns; written by the owner before done is closed
	goid uint64        // the owner's goroutine number, if World.stacks; written before it joins

	// mu guards the phase and the notes. It is held briefly, and never while user code runs.
	mu      ssync.Mutex
	changed ssync.Cond // the phase or the notes changed
	phase   phase
	noted   noted

	// The rest belongs to the goroutine that acts for the domain, the owner or a stand-in. The
	// phase says which; mu orders the hand-over.

	// doing is what runs for the domain at its safe point: a *Stop, a *ragged, the name of another
	// function, or nil. passed is when its last safe point ended at which a request was left. Both
	// are for stall reports, and guarded by mu.
	doing  any
	passed time.Time

	readers readers
	roots   rootStack
	locals  []any
	endsBy  ender // written by the owner only

	//lint:ignore U1000 used with -tags invariants
	debug domainDebug
}

// An ender says what ends a domain.
type ender uint8

const (
	byReturn     ender = iota // the function that Spawn runs returns
	byDeregister              // its owner calls Deregister
	ended                     // nothing: its end has begun
)

const (
	asked     = 1 << iota // a request is noted
	quiescent             // a grace period waits for the domain
)

// ID returns the domain's number. No other domain of its world ever has the same.
func (d *Domain) ID() uint64 { return d.id }

// Slot returns an index below the world's Max that no other domain has until this one has ended.
func (d *Domain) Slot() int { return d.slot }

// State returns the domain's state; unless the world is stopped, it may already have changed. An
// ending domain is Blocked before it is Dead. A suspended one is Running while it is in a stop.
func (d *Domain) State() State { return phases[d.currentPhase()].state }

// Ending reports whether the domain is ending or has ended, so that requests to it return [ErrDead].
// It runs no more user code, but stops and ragged barriers count on it until it is Dead.
func (d *Domain) Ending() bool { return d.currentPhase().refuses() }

// Alone reports whether no other domain is part of the world. That stays so until Spawn or Register
// is called, and one that was called before may still take effect. Call Alone only from the domain's
// own goroutine. Cost: one load.
func (d *Domain) Alone() bool { return d.w.NumDomains() == 1 }

// Pending reports whether the domain's next Poll has something to do, for a loop that puts its state
// in order before it polls: a request, or a grace period that waits for the domain. Cost: one load.
func (d *Domain) Pending() bool { return d.pending.Load() != 0 }

func (d *Domain) String() string { return fmt.Sprintf("domain %d", d.id) }

// Spawn starts a goroutine that becomes a domain, runs fn, and ends the domain when fn returns.
// Spawn does not wait for the domain to start; while the world is stopped, the domain waits. It
// returns [ErrFull], [ErrClosed], or an error if one of Options.SMR is closed. If fn panics or
// calls runtime.Goexit, the domain ends too, and then the panic or exit goes on.
func (w *World) Spawn(fn func(*Domain)) (*Domain, error) {
	return w.spawn(fn, nil)
}

// Spawn is [World.Spawn] in the domain's world, and the new domain inherits values of the domain's:
// see [NewInheritedKey]. Call it only where [Key.Get] is allowed.
func (d *Domain) Spawn(fn func(*Domain)) (*Domain, error) { return d.w.spawn(fn, d) }

// spawn is Spawn; the new domain inherits from parent, if that is not nil.
func (w *World) spawn(fn func(*Domain), parent *Domain) (*Domain, error) {
	if fn == nil {
		panic("stw: Spawn of a nil function")
	}
	checkMayBlock("Spawn")
	var locals []any
	if parent != nil {
		locals = parent.bequest()
	}
	d, err := w.newDomain(byReturn)
	if err != nil {
		return nil, err
	}
	d.locals = locals
	sched.Go(func() {
		begun := false
		defer func() { d.end(begun) }()
		if begun = d.begin(); begun {
			fn(d)
		}
	})
	return d, nil
}

// Register makes the calling goroutine a domain until it calls [Domain.Deregister], which it must
// do before it ends. Register waits while the world is stopped. It returns the errors of Spawn, and
// that of Options.OnStart.
//
// A goroutine may be several domains, of one world or of several. While it waits as one of them, or
// registers another, it must be in Blocking as each of the others.
func (w *World) Register() (*Domain, error) {
	w.checkOutside("Register")
	d, err := w.newDomain(byDeregister)
	if err != nil {
		return nil, err
	}
	begun := false
	defer func() {
		if !begun { // Options.OnStart failed, or panicked
			d.end(false)
		}
	}()
	if begun = d.begin(); !begun {
		return nil, d.err
	}
	return d, nil
}

// Deregister ends a domain that [World.Register] made, once the requests to it are served and no
// stop is in progress. It panics if the domain is ending or has ended, or was made by Spawn: that
// one ends when its function returns. Call it only from the domain's own goroutine.
func (d *Domain) Deregister() {
	if d.endsBy == byReturn {
		panic("stw: Deregister of a domain that Spawn made")
	}
	checkMayBlock("Deregister")
	d.currentPhase().mustRun("Deregister")
	if d.endsBy == ended {
		panic("stw: Deregister of a domain that is ending")
	}
	d.end(true)
}

// Join waits until the domain has ended: its slot is free, and its hooks and all interrupts that it
// accepted have run. Join returns the error of Options.OnStart for this domain or, if ctx ends first,
// one that wraps ctx.Err() and says what the domain does. A domain may call Join only in [Domain.Blocking].
func (d *Domain) Join(ctx context.Context) error {
	d.w.checkOutside("Join")
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
	}
	select {
	case <-d.done: // both have ended
		return d.err
	default:
		return gaveUp("Join", ctx.Err(), 1, d)
	}
}

// begin joins the world and reports whether Options.OnStart accepts the domain. The owner calls it.
func (d *Domain) begin() bool {
	d.owned()
	if d.w.stacks {
		d.goid = goid.Get()
	}
	d.w.join(d)
	d.readers.goOnline()
	if d.w.opts.OnStart != nil {
		d.err = d.w.opts.OnStart(d)
	}
	return d.err == nil
}

// end calls Options.OnEnd, if the domain had begun, and ends the domain. The owner calls it, also
// while a panic or Goexit unwinds its goroutine. Each step is deferred, because user code may panic
// or exit in any of them.
func (d *Domain) end(begun bool) {
	d.endsBy = ended
	defer d.endLast()
	if begun && d.w.opts.OnEnd != nil {
		defer d.w.opts.OnEnd(d)
	}
	if d.State() == Blocked { // unwound between EnterBlocking and LeaveBlocking
		d.leaveBlocking()
	}
}

// endLast is the part of end in which the owner runs no user code.
func (d *Domain) endLast() {
	if d.State() != Blocked { // Options.OnEnd may have left it so
		d.readers.goOffline()
		d.leaveAreas()
	}
	d.w.leave(d)
	defer d.passLastPanics() // also if free panics
	d.w.free(d)
}

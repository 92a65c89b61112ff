package stw

import (
	"context"
	"fmt"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/pcpu"
)

// A Domain is a goroutine that can be stopped: it promises to come to a safe point
// ([Domain.Poll]) now and then, or to be at one all the time ([Domain.Blocking]).
//
// Methods that say "owner" in their comment may be called by the domain's own
// goroutine only, the others by any. With -tags invariants that is checked.
type Domain struct {
	// pending is not 0 when the domain should come to a safe point: bits below.
	// Set by whoever asks something of it, after noting what; taken by the owner,
	// at a safe point, before it looks at what was noted. Read by every Poll.
	pending struct {
		atomic.Uint32
		_ [pcpu.Stride - 4]byte
	}

	// Constant after creation.

	w    *World
	id   uint64
	slot int
	done chan struct{} // closed at the very end
	err  error         // for Join; constant when done is closed, the owner's before

	// mu guards the phase and what is noted. It is held for moments only, never while
	// code of the user's runs.
	mu      sync.Mutex
	changed sync.Cond // any of the following changed
	phase   phase
	noted   noted

	// What follows belongs to the goroutine that acts for the domain: the owner, or
	// a stand-in. The phase says which, and mu hands it over.

	readers readers
	roots   rootStack
	locals  []any
	endsBy  ender

	//lint:ignore U1000 it is used under -tags invariants
	debug domainDebug
}

// An ender is what ends a domain.
type ender uint8

const (
	itsReturn    ender = iota // of the function that Spawn runs
	itsOwnerCall              // of Deregister
	itself                    // nothing any more: its end has begun
)

const (
	asked     = 1 << iota // something is noted under mu
	quiescent             // a grace period waits for the domain
)

// ID returns the domain's number, which no other domain of its world ever has.
func (d *Domain) ID() uint64 { return d.id }

// Slot returns which of the world's Max places the domain has: a number below Max
// that no other domain has until this one has ended. For indexing arrays.
func (d *Domain) Slot() int { return d.slot }

// State returns the domain's state, which may have changed when the caller looks
// at it, unless the world is stopped. A domain that ends is blocked before it is
// dead, and one that takes part in a stop while it is suspended counts as running.
func (d *Domain) State() State { return d.currentPhase().state() }

func (d *Domain) String() string { return fmt.Sprintf("domain %d", d.id) }

// Spawn runs fn on a new goroutine, as a new domain, which ends when fn returns.
// It does not wait for the domain to start: while the world is stopped, that waits.
// It returns [ErrFull] or [ErrClosed], and then nothing is left behind.
//
// A panic of fn, or runtime.Goexit, ends the domain properly before it goes on.
func (w *World) Spawn(fn func(*Domain)) (*Domain, error) {
	if fn == nil {
		panic("stw: Spawn of a nil function")
	}
	d, err := w.newDomain(itsReturn)
	if err != nil {
		return nil, err
	}
	sched.Go(func() {
		begun := false
		defer func() { d.end(begun) }()
		if begun = d.begin(); begun {
			fn(d)
		}
	})
	return d, nil
}

// Register makes the calling goroutine a domain, until [Domain.Deregister], which
// it must call before it ends. While the world is stopped it waits. It returns
// [ErrFull] or [ErrClosed], or what Options.Start does.
//
// A goroutine may be several domains of several worlds, or of one; but then it must
// be in Blocking as each of the others whenever it waits as one of them, which
// Register does, too.
func (w *World) Register() (*Domain, error) {
	w.checkOutside("Register")
	d, err := w.newDomain(itsOwnerCall)
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

// Deregister ends a domain that [World.Register] made. Owner. What was asked of it
// is done first, and it may wait for a stop to end. It panics if the domain has
// ended, or was made by Spawn: such a one ends when its function returns.
func (d *Domain) Deregister() {
	if d.endsBy == itsReturn {
		panic("stw: Deregister of a domain that Spawn made")
	}
	d.mustRun("Deregister")
	if d.endsBy == itself {
		panic("stw: Deregister of a domain that is ending")
	}
	d.end(true)
}

// Join waits until the domain has ended and nothing is left of it: its slot is
// free, its hooks have run, and so has all that was accepted by Interrupt. It
// returns what Options.Start returned to it, or ctx.Err() if ctx ends first.
//
// A domain must not call it outside [Domain.Blocking].
func (d *Domain) Join(ctx context.Context) error {
	d.w.checkOutside("Join")
	select {
	case <-d.done:
		return d.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin makes the domain part of the world, on its own goroutine. It reports
// false if Options.OnStart refuses.
func (d *Domain) begin() bool {
	d.owned()
	d.w.join(d)
	d.readers.goOnline()
	if d.w.opts.OnStart != nil {
		d.err = d.w.opts.OnStart(d)
	}
	return d.err == nil
}

// end ends the domain, after Options.OnEnd if it had begun. That also happens when its
// goroutine unwinds, from a panic or from Goexit, wherever it was; and whatever code of the
// user's does the same on the way.
func (d *Domain) end(begun bool) {
	d.endsBy = itself
	defer d.endLast()
	if begun && d.w.opts.OnEnd != nil {
		defer d.w.opts.OnEnd(d)
	}
	if d.State() == Blocked { // it was unwound in EnterBlocking without LeaveBlocking
		d.leaveBlocking()
	}
}

// endLast is the part of end in which no code of the user's runs on the owner's goroutine.
func (d *Domain) endLast() {
	if d.State() != Blocked { // as Options.OnEnd may leave it
		d.readers.goOffline()
	}
	d.w.leave(d)
	d.w.free(d)
	d.passLastPanics()
}

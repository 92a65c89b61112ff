package stw

import (
	"context"
	"fmt"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
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
	pending atomic.Uint32
	_       [pcpu.Stride - 4]byte

	// Constant after creation.

	w    *World
	id   uint64
	slot int
	own  bool          // it has a goroutine of its own: made by Spawn
	done chan struct{} // closed at the very end

	// mu guards what is asked of the domain and who acts for it. It is held for
	// moments only, never while code of the user's runs.
	mu      sync.Mutex
	changed sync.Cond // any of the following changed

	// See State for which of these there are together.

	state      State
	served     bool // a goroutine acts for the blocked domain now
	stop       *Stop
	ragged     []*ragged
	interrupts []func(*Domain)
	external   bool // the hook is to be called
	suspends   int
	held       bool     // suspended, and at a safe point or in Blocking until it is resumed
	panics     []*Panic // to be passed on to the owner
	returning  bool     // the owner wants to leave Blocking
	ending     bool     // and to end: nothing more is accepted
	err        error    // for Join

	// What follows belongs to the goroutine that acts for the domain: the owner, or
	// the one that serves it while it is blocked. state and served say which, and
	// mu hands it over.

	readers []*smr.Quiescent
	offline bool        // the readers are
	serving atomic.Bool // at a safe point, doing what was asked; atomic for the sake of misuse
	started bool        // Options.Start, if any, has succeeded
	ended   bool        // its end has begun
	roots   rootStack
	locals  []any

	//lint:ignore U1000 it is used under -tags invariants
	debug domainDebug
}

const (
	asked     = 1 << iota // something is noted under mu
	quiescent             // a grace period waits for the domain
)

// ID returns the domain's number, which no other domain of its world ever has.
func (d *Domain) ID() uint64 { return d.id }

// Slot returns which of the world's Max places the domain has: a number below Max
// that no other domain has until this one has ended. For indexing arrays.
func (d *Domain) Slot() int { return d.slot }

// World returns the domain's world.
func (d *Domain) World() *World { return d.w }

// State returns the domain's state, which may have changed when the caller looks
// at it, unless the world is stopped. A domain that ends is blocked before it is
// dead, and one that takes part in a stop while it is suspended counts as running.
func (d *Domain) State() State {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.state
}

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
	d, err := w.newDomain()
	if err != nil {
		return nil, err
	}
	d.own = true
	sched.Go(func() {
		defer d.end()
		if d.begin() {
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
	d, err := w.newDomain()
	if err != nil {
		return nil, err
	}
	begun := false
	defer func() {
		if !begun { // Options.Start failed, or panicked
			d.end()
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
	if d.own {
		panic("stw: Deregister of a domain that Spawn made")
	}
	d.mustRun("Deregister")
	if d.ended {
		panic("stw: Deregister of a domain that is ending")
	}
	d.end()
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
// false if Options.Start refuses.
func (d *Domain) begin() bool {
	d.owned()
	d.w.join(d)
	d.goOnline()
	if d.w.opts.Start != nil {
		if err := d.w.opts.Start(d); err != nil {
			d.mu.Lock()
			d.err = err
			d.mu.Unlock()
			return false
		}
	}
	d.started = true
	return true
}

// end takes the domain out of the world, after Options.Stop. That also happens
// when its goroutine unwinds, from a panic or from Goexit, wherever it was; and
// whatever code of the user's does the same on the way.
func (d *Domain) end() {
	d.ended = true
	defer d.finish()
	defer func() {
		d.serving.Store(false)
		if d.w.opts.Stop != nil && d.started {
			d.w.opts.Stop(d)
		}
	}()
	if d.State() == Blocked { // it was unwound in EnterBlocking without LeaveBlocking
		d.leaveBlocking()
	}
}

// finish ends the domain. It is blocked from here on, so whatever is still asked of
// it is done by other goroutines, and can't end this one. Stops go on counting on
// it, and ragged barriers; interrupts it accepts no more.
func (d *Domain) finish() {
	d.serving.Store(false)
	blocked := d.State() == Blocked // left so by Options.Stop
	if !blocked {
		d.goOffline()
	}
	d.mu.Lock()
	d.ending = true
	d.state = Blocked
	d.disowned()
	if d.askedLocked() {
		d.askLocked()
	}
	d.checkLocked()
	d.mu.Unlock()
	d.w.leave(d)

	d.mu.Lock()
	err, panics := d.err, d.panics
	d.mu.Unlock()
	d.release(err)
	if len(panics) > 0 {
		p := panics[0]
		p.Also = append(p.Also, panics[1:]...)
		panic(p)
	}
}

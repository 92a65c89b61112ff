package smr

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"sync"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A Seq is a moment of one domain's clock: a goal to poll or wait for. See
// [clock.Seq].
type Seq = clock.Seq

var (
	// ErrSeq is returned by Wait for a goal that the domain never issued: the
	// zero Seq, a goal of another domain, or one from the future.
	ErrSeq = clock.ErrSeq

	// ErrInCallback is returned where a callback of the same domain would wait
	// for callbacks or readers: it might be waiting for itself.
	ErrInCallback = errors.New("smr: wait inside a callback of the same domain")

	// ErrClosed is returned by waits on a domain that is closed.
	ErrClosed = errors.New("smr: domain is closed")
)

// A Domain is one set of readers and the objects they may hold: a sequence
// clock and a queue of deferred calls. A section of one domain protects nothing
// of another.
//
// Make few and coarse ones: one for each subsystem whose readers should not hold
// back another's memory, not one for each object. A domain costs about 0.5 KiB
// for each processor that uses it; each holds its own chunks of deferred calls;
// and a grace period costs a fence on all processors whatever it is for.
//
// All methods may be called by any number of goroutines. A Domain is made by
// [New] or [Default], and must not be copied.
type Domain struct {
	clk clock.Clock

	opts      Options
	id        uint64
	isDefault bool

	// checkIn is Options.CheckIn as it is now, in nanoseconds. Written by
	// SetCheckIn, read by the reclaimer.
	checkIn satomic.Int64
	stalls  satomic.Uint64

	calls   pcpu.Slots[callSlot]
	fence   asym.Fence // between their owners and drain
	reclaim reclaimer
	reports reports
	//lint:ignore U1000 it is used under -tags invariants
	debug domainDebug
}

// New returns a new domain. It returns an error if a field of the options is
// out of range. In a testing/synctest bubble, see the package's doc.
func New(o Options) (*Domain, error) {
	if err := o.normalize(runtime.GOMAXPROCS(0)); err != nil {
		return nil, err
	}
	d := &Domain{opts: o, id: lastID.Add(1)}
	if d.opts.Name == "" {
		d.opts.Name = "domain-" + strconv.FormatUint(d.id, 10)
	}
	d.clk.Init(clock.Options{
		Name:       d.opts.Name,
		StallAfter: max(o.StallAfter, 0),
		OnStall:    d.onStall,
		Fenced:     o.fenced,
		Start:      o.start,
	})
	d.calls.Init(d.newCallSlot)
	d.fence = asym.New()
	if o.fenced {
		d.fence = asym.Both()
	}
	d.reclaim.kick = make(chan struct{}, 1)
	d.reclaim.workers = make([]satomic.Uint64, o.Workers)
	d.SetCheckIn(o.CheckIn)
	registry.add(d)
	return d, nil
}

var lastID satomic.Uint64

// Default returns the process-wide domain, made on first use with the zero
// Options and the name "default". It can't be closed. In a testing/synctest
// bubble make a domain of the bubble's own instead.
func Default() *Domain { return defaultDomain() }

var defaultDomain = sync.OnceValue(func() *Domain {
	d, err := New(Options{Name: "default"})
	if err != nil {
		panic(err) // the zero Options is valid
	}
	d.isDefault = true
	return d
})

// Name returns the domain's name.
func (d *Domain) Name() string { return d.opts.Name }

// SetCheckIn changes [Options.CheckIn] from the next check-in on. It is held
// between 50 µs and half of MaxDelay; 0 means the default.
func (d *Domain) SetCheckIn(interval time.Duration) {
	if interval <= 0 {
		interval = d.opts.MaxDelay / 4
	}
	d.checkIn.Store(int64(max(minCheckIn, min(interval, d.opts.MaxDelay/2))))
}

// CheckIn returns the check-in interval as it is now.
func (d *Domain) CheckIn() time.Duration { return time.Duration(d.checkIn.Load()) }

const minCheckIn = 50 * time.Microsecond

// Closed reports whether Close was called, so that a Call would panic.
func (d *Domain) Closed() bool { return d.clk.Sealed() }

// Close ends the domain: it waits until every open section has been left and
// every callback has run, those that callbacks add included. From its start,
// Enter, Pin, NewReader and Call panic, except that callbacks may still Call, Online
// does nothing, and Quiesce begins no section; waits return ErrClosed.
//
// When ctx ends first, Close returns an error that wraps ctx.Err() and names
// what is still open; nothing is lost: callbacks go on running as readers leave,
// and Close may be called again to wait for the rest. Closing a closed domain
// waits likewise and returns nil.
//
// It must not be called inside a section of this domain, for which it would wait: as
// for Wait, that panics under -tags invariants, and else lasts until ctx ends. It
// returns ErrInCallback inside a callback of the domain, and an error for the domain of
// [Default].
func (d *Domain) Close(ctx context.Context) error {
	if d.inCallback() {
		return ErrInCallback
	}
	if d.isDefault {
		return errors.New("smr: the default domain can't be closed")
	}
	d.checkNoOwnSection("Close")
	d.clk.Seal()
	d.calls.Seal()
	d.wakeThrottled()
	registry.remove(d)

	for {
		if err := d.barrier(ctx); err != nil {
			return d.closeError(err)
		}
		if d.Stats().PendingCalls == 0 {
			break
		}
		sched.Gosched() // a callback is just calling again
	}
	if err := d.clk.Wait(ctx, d.clk.Advance()); err != nil {
		return d.closeError(err)
	}
	if err := d.reports.wait(ctx); err != nil {
		return d.closeError(err)
	}
	return nil
}

// closeError tells what Close did not get to wait for.
func (d *Domain) closeError(err error) error {
	st := d.Stats()
	return fmt.Errorf("smr: close %q: %w: %d calls pending, %d sections open%s",
		st.Name, err, st.PendingCalls, st.Sections, d.openStacks())
}

package smr

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/asym"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A Seq is a moment of one domain's clock, and so a goal to poll or wait for. See [clock.Seq].
type Seq = clock.Seq

var (
	// ErrSeq is returned by Wait for a goal that the domain never issued: the zero Seq, another
	// domain's goal, or one from the future.
	ErrSeq = clock.ErrSeq

	// ErrInCallback is returned by a wait inside a callback of the same domain: the callback might
	// wait for itself.
	ErrInCallback = errors.New("smr: wait inside a callback of the same domain")

	// ErrClosed is returned by waits on a closed domain.
	ErrClosed = errors.New("smr: domain is closed")
)

// A Domain is a set of readers and the objects that they may hold: a sequence clock and a queue of
// deferred calls. A section of one domain protects nothing in another.
//
// Make few domains: one for each subsystem whose readers should not hold back the memory of others,
// not one for each object. A domain costs about 0.5 KiB for each processor that uses it, plus its
// own chunks of deferred calls. Each grace period costs a fence on all processors, unless all readers
// are quiescent ones.
//
// All methods are safe for concurrent use. Make a Domain with [New] or [Default]. Do not copy it.
type Domain struct {
	clk clock.Clock

	opts      Options
	isDefault bool
	made      time.Time
	labels    context.Context // of the domain's goroutines; see label

	// checkIn is the current Options.CheckIn, in nanoseconds. Written by SetCheckIn, read by the
	// reclaimer.
	checkIn satomic.Int64
	stalls  satomic.Uint64

	calls pcpu.Slots[callSlot]
	fence asym.Fence // between the owners of calls and drain
	holds pcpu.Slots[holdGroup]

	_       [pcpu.Stride]byte // each call reads what is above; reclaim is written all the time
	reclaim reclaimer
	reports reports

	descriptions descriptions

	//lint:ignore U1000 it is used under -tags invariants
	debug domainDebug
}

// New returns a new domain, or an error if an option is out of range. For use in a testing/synctest
// bubble see the package doc.
func New(o Options) (*Domain, error) {
	if err := o.normalize(runtime.GOMAXPROCS(0)); err != nil {
		return nil, err
	}
	if id := lastID.Add(1); o.Name == "" {
		o.Name = "domain-" + strconv.FormatUint(id, 10)
	}
	d := &Domain{opts: o, made: time.Now(), labels: labelsFor(o.Name)}
	d.clk.Init(clock.Options{
		Name:       o.Name,
		StallAfter: max(o.StallAfter, 0),
		OnStall:    d.onStall,
		Fenced:     o.fenced,
		Start:      o.start,

		SampleSections: o.SampleSections,
	})
	d.calls.Init(func(int) *callSlot { return new(callSlot) })
	d.holds.Init(d.newHoldGroup)
	d.fence = asym.New()
	if o.fenced {
		d.fence = asym.Both()
	}
	d.reclaim.kick = make(chan struct{}, 1)
	d.reclaim.workers = make([]satomic.Uint64, 2*o.Workers)
	d.reclaim.assists.init(o.MaxPending)
	d.SetCheckIn(o.CheckIn)
	registry.mu.Lock()
	registry.domains = append(registry.domains, d)
	registry.mu.Unlock()
	return d, nil
}

var lastID satomic.Uint64

// registry lists the domains of the process that may have readers or calls, oldest first.
var registry struct {
	mu      sync.Mutex
	domains []*Domain
}

// Domains returns the domains of which no Close has returned nil, oldest first. The list keeps them
// alive.
func Domains() []*Domain {
	registry.mu.Lock()
	defer registry.mu.Unlock()
	return slices.Clone(registry.domains)
}

// Default returns the process-wide domain, named "default". It is made on first use with the zero
// Options and can't be closed. In a testing/synctest bubble use a domain made in the bubble
// instead.
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

// SetCheckIn changes [Options.CheckIn] from the next check-in on. It clamps the interval to between
// 50 µs and half of MaxDelay; 0 means the default.
func (d *Domain) SetCheckIn(interval time.Duration) {
	if interval <= 0 {
		interval = d.opts.MaxDelay / 4
	}
	d.checkIn.Store(int64(max(minCheckIn, min(interval, d.opts.MaxDelay/2))))
}

// CheckIn returns the current check-in interval.
func (d *Domain) CheckIn() time.Duration { return time.Duration(d.checkIn.Load()) }

const minCheckIn = 50 * time.Microsecond

// SetSampleSections changes [Options.SampleSections] for the sections that are entered from now on,
// and returns what it was. When a stall report does not name the code, let each section be sampled
// until the next report.
func (d *Domain) SetSampleSections(oneIn int) (before int) { return d.clk.SampleSections(oneIn) }

// Closed reports whether Close was called. On a closed domain Call panics.
func (d *Domain) Closed() bool { return d.clk.Sealed() }

// Close ends the domain. It waits until every open section has been left, every hold released and
// every callback has run, including those that callbacks add. As soon as Close begins, Enter, Pin,
// NewQuiescent and Call panic (callbacks may still Call), TryEnter and TryCall return false, Online
// does nothing, Quiesce begins no new section, and waits return ErrClosed. The package doc says how
// to shut down.
//
// If ctx ends first, Close fails as [Domain.Wait] does, and says what is still open. Nothing is
// lost: callbacks continue to run as readers leave, and a second Close waits for the rest. Closing a
// closed domain waits in the same way and returns nil.
//
// Close inside a section of this domain would wait for it until ctx ends; under -tags invariants it
// panics instead, like Wait. Inside a callback of the domain Close returns ErrInCallback, and for
// [Default] an error.
func (d *Domain) Close(ctx context.Context) error {
	d.checkMayBlock("Close")
	if d.inCallback() {
		return ErrInCallback
	}
	if d.isDefault {
		return errors.New("smr: the default domain can't be closed")
	}
	d.checkMayWait("Close")
	info, began := CloseInfo{Domain: d.opts.Name}, time.Now()
	d.opts.Events.CloseBegin(info)
	info.Err = d.close(ctx)
	info.Took = time.Since(began)
	d.opts.Events.CloseEnd(info)
	return info.Err
}

// close is Close on a domain that may be closed.
func (d *Domain) close(ctx context.Context) error {
	defer d.traced(ctx, "Close")()
	d.clk.Seal()
	d.calls.Seal()
	// Wake the writers in Throttle. The last chunk to finish may not do so: calls about to be
	// refused count for a moment, and keep the pending bytes above the bound.
	d.reclaim.mu.Lock()
	d.reclaim.wakeThrottledLocked()
	d.reclaim.mu.Unlock()
	for {
		if err := d.barrier(ctx, "Close", true); err != nil {
			return err
		}
		if d.Stats().PendingCalls == 0 {
			break
		}
		sched.Gosched() // a callback has called again
	}
	if err := d.wait(ctx, "Close", d.clk.Advance()); err != nil {
		return err
	}
	if !d.awaitHolds(ctx) || !d.reports.wait(ctx) {
		return d.gaveUp("Close", ctx.Err(), 0)
	}
	registry.mu.Lock()
	registry.domains = slices.DeleteFunc(registry.domains, func(o *Domain) bool { return o == d })
	registry.mu.Unlock()
	return nil
}

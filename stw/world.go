package stw

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"time"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

var (
	// ErrFull is returned by Spawn and Register in a world that has Max domains.
	ErrFull = errors.New("stw: the world is full")

	// ErrClosed is returned by Spawn and Register in a closed world.
	ErrClosed = errors.New("stw: the world is closed")

	// ErrDead is returned by a request to a domain that is ending or has ended.
	ErrDead = errors.New("stw: the domain is dead")
)

// Options for [NewWorld]. The zero Options is valid.
type Options struct {
	// Max limits the number of domains at a time. 0 means 128.
	Max int

	// SMR lists smr domains. Each domain is a quiescent reader of them all: see [Domain.Section].
	SMR []*smr.Domain

	// OnStart runs on the goroutine of each new domain when it has joined the world. If OnStart
	// returns an error, the domain ends, and Join or Register returns that error.
	OnStart func(*Domain) error

	// OnEnd runs on the goroutine of each domain that ends, unless OnStart failed. The domain is
	// still part of the world: it takes part in stops and has its local values.
	OnEnd func(*Domain)

	// ExternalInterrupt is the hook that [Domain.InterruptExternal] calls for.
	ExternalInterrupt func(*Domain)

	// StallAfter is the age at which OnStall learns of a wait for domains, of Stop, RunOnAll, ForEach,
	// Suspend or SuspendOthers, and again each time the age has doubled. 0 means 10 seconds, or 1 second
	// under -tags invariants; if it is negative, there are no reports. A wait that is not parked has no timer.
	StallAfter time.Duration

	// OnStall receives stall reports, on goroutines of their own; one may come when its wait has just
	// ended. It must not wait for the domains of the world. By default it logs a warning with package
	// log/slog, without stacks (under -tags invariants, with them).
	//
	// Cost, for the stacks: about a microsecond for each new domain, to learn its goroutine's number,
	// and for each report a stop of all goroutines of the program.
	OnStall func(Stall)
}

const (
	defaultMax = 128
	maxMax     = 1 << 20
)

// A World is a set of domains that can be stopped together. Any goroutine may call its methods; a
// method that waits says in its comment how a domain may call it.
type World struct {
	opts   Options
	stacks bool // stall reports have the stacks of the domains

	// stop is the stop in progress. The leader or the caller of World.Stop sets it, and the last one out
	// clears it, or setUp if Setup panics, under mu. A domain reads it without mu before it tries to
	// lead, and a stall report: what they find may be over, and neither relies on it.
	stop satomic.Pointer[Stop]

	// reservations are those that have memory. It is written under mu, and read without mu by domains
	// that end: acquire, so that they find each Reservation complete.
	reservations satomic.Pointer[[]*Reservation]

	// size is len(set). Written under mu, read without: a count, which orders nothing.
	size satomic.Int32

	// mu guards the rest. It comes before Domain.mu, and is never held while user code runs or
	// while waiting for a domain.
	mu      ssync.Mutex
	changed ssync.Cond // stop, set, leaders or slots changed

	set     []*Domain // the domains that stops count on
	joiners []*Domain // starting, and waiting for the end of the stop, or of solos
	leavers []*Domain // ending, and waiting to be dismissed
	leaders []*Stop   // waiting for their turn to lead: see turnLocked
	byID    map[uint64]*Domain

	solos    []*Suspension // of SuspendOthers, in force: all of one domain
	soloists []*Suspension // waiting for their turn: see soloTurnLocked

	slots  []bool // in use, by a domain in the set, starting or ending
	live   int    // the number of slots in use
	lastID uint64
	held   *Stop // the stop of World.Stop, until Start
	closed bool
}

// NewWorld returns a world without domains, or an error if an option is out of range.
func NewWorld(o Options) (*World, error) {
	if o.Max < 0 || o.Max > maxMax {
		return nil, fmt.Errorf("stw: Options.Max is %d, want 1 to %d, or 0 for the default", o.Max, maxMax)
	}
	if o.Max == 0 {
		o.Max = defaultMax
	}
	for i, d := range o.SMR {
		if d == nil {
			return nil, fmt.Errorf("stw: Options.SMR[%d] is nil", i)
		}
	}
	stacks := (o.OnStall != nil || invariants.Enabled) && o.StallAfter >= 0
	if o.StallAfter == 0 {
		o.StallAfter = defaultStallAfter
	}
	if o.OnStall == nil {
		o.OnStall = logStall
	}
	o.SMR = slices.Clone(o.SMR)
	w := &World{opts: o, stacks: stacks, byID: make(map[uint64]*Domain), slots: make([]bool, o.Max)}
	w.changed.L = &w.mu
	return w, nil
}

// RecommendedDomains returns how many domains can run at the same time: GOMAXPROCS. By default that
// follows the affinity mask and, since Go 1.25, the control group's limit.
func RecommendedDomains() int { return runtime.GOMAXPROCS(0) }

// RecommendedDomains returns how many domains of this world can run at the same time: GOMAXPROCS, or
// Max if that is less.
func (w *World) RecommendedDomains() int { return min(RecommendedDomains(), w.opts.Max) }

// NumDomains returns the number of domains that are part of the world now, running or not: that of
// Domains. It may have changed when NumDomains returns. Cost: one load.
func (w *World) NumDomains() int { return int(w.size.Load()) }

// Domains returns the domains that are part of the world now, in the order in which they joined.
func (w *World) Domains() []*Domain {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.set)
}

// Lookup returns the domain with that ID. ok is false if there is none or it is dead.
func (w *World) Lookup(id uint64) (d *Domain, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d, ok = w.byID[id]; ok && d.State() != Dead {
		return d, true
	}
	return nil, false
}

// Close refuses new domains and waits until all have ended. If ctx ends first, it returns an error
// that wraps ctx.Err() and names those that have not; call it again to wait longer. A domain must not call Close: it would wait for itself.
func (w *World) Close(ctx context.Context) error {
	w.checkOutside("Close")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	x := wait{ctx: ctx} // not reported
	if err := x.on(&w.changed, func() bool { return w.live == 0 }); err != nil {
		return gaveUp("Close", err, w.live, w.set...)
	}
	return nil
}

// sleepCond waits on c until done, which has returned false, returns true or ctx ends. The caller holds
// c's lock.
func sleepCond(ctx context.Context, c *ssync.Cond, done func() bool) error {
	if ctx.Done() != nil {
		sched.Wakes() // AfterFunc starts its goroutine at once if ctx has ended
		unregister := context.AfterFunc(ctx, sched.Detached(func() {
			c.L.Lock()
			defer c.L.Unlock()
			c.Broadcast()
		}))
		defer unregister()
	}
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		if c.Wait(); done() {
			return nil
		}
	}
}

package stw

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"

	"github.com/gosmr/gosmr/internal/sched"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/internal/sched/sync"
	"github.com/gosmr/gosmr/smr"
)

var (
	// ErrFull is returned by Spawn and Register when the world has as many domains
	// as it may have.
	ErrFull = errors.New("stw: the world is full")

	// ErrClosed is returned by Spawn and Register on a world that is closed.
	ErrClosed = errors.New("stw: the world is closed")

	// ErrDead is returned where something is asked of a domain that has ended.
	ErrDead = errors.New("stw: the domain is dead")
)

// Options for [NewWorld]. The zero Options is valid.
type Options struct {
	// Max is how many domains there may be at a time: 128 if it is 0.
	Max int

	// SMR lists the smr domains that each domain of this world is a quiescent
	// reader of: see [Domain.Section].
	SMR []*smr.Domain

	// OnStart is called by each new domain, on its goroutine, when it is part of
	// the world. If it returns an error the domain ends, and Join or Register
	// returns that error.
	OnStart func(*Domain) error

	// OnEnd is called by each domain that ends, if it had started, on its
	// goroutine, while it is still part of the world: it may be asked to stop,
	// and has its local values.
	OnEnd func(*Domain)

	// ExternalInterrupt is called by a domain at its next safe point after
	// [Domain.InterruptExternal].
	ExternalInterrupt func(*Domain)
}

const (
	defaultMax = 128
	maxMax     = 1 << 20
)

// A World is a set of domains that can be stopped together. All methods may be
// called by any number of goroutines; those that wait say which must not.
type World struct {
	opts Options

	// stop is the stop-the-world section in progress: whoever sets it leads.
	// Written under mu; read without, by whoever wants to know whether to try.
	stop atomic.Pointer[Stop]

	// mu guards the set of domains and who leads. It is never held while code of
	// the user's runs, nor while waiting for a domain to do something. Where both
	// are needed it is taken before a Domain's mu.
	mu      sync.Mutex
	changed sync.Cond // stop ended, a domain came or went

	set     []*Domain // those that take part in stops
	joiners []*Domain // those that wait until they do
	leavers []*Domain // and until they do no more: those that are ending
	leaders []*Stop   // those that wait to lead, in their order: see turnLocked
	byID    map[uint64]*Domain
	slots   []bool // in use, by a domain in the set or on its way in or out
	live    int    // how many are
	lastID  uint64
	held    *Stop // by World.Stop
	closed  bool
}

// NewWorld returns a world without domains. It returns an error if a field of the
// options is out of range.
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
	o.SMR = slices.Clone(o.SMR)
	w := &World{opts: o, byID: make(map[uint64]*Domain), slots: make([]bool, o.Max)}
	w.changed.L = &w.mu
	return w, nil
}

// RecommendedDomains returns how many domains can run at the same time: as many as
// there are processors for this process, of which Go takes the affinity mask and,
// from Go 1.25, the control group's limit into account.
func RecommendedDomains() int { return runtime.GOMAXPROCS(0) }

// Domains returns the domains that are part of the world now, in the order in
// which they joined it.
func (w *World) Domains() []*Domain {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.set)
}

// Lookup returns the domain with an id. ok is false if there never was one, or it
// is dead.
func (w *World) Lookup(id uint64) (d *Domain, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if d, ok = w.byID[id]; ok && d.State() != Dead {
		return d, true
	}
	return nil, false
}

// Close refuses new domains from now on, and waits until there are none, or until
// ctx ends: then it returns ctx.Err(), and may be called again.
//
// A domain must not call it: it would wait for its own end.
func (w *World) Close(ctx context.Context) error {
	w.checkOutside("Close")
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	return waitCond(ctx, &w.changed, func() bool { return w.live == 0 })
}

// waitCond waits on a condition variable, whose lock is held, until done or the
// context ends.
func waitCond(ctx context.Context, c *sync.Cond, done func() bool) error {
	if done() {
		return nil
	}
	sched.Wakes() // if ctx has ended, this starts the goroutine at once
	unregister := context.AfterFunc(ctx, sched.Detached(func() {
		c.L.Lock()
		defer c.L.Unlock()
		c.Broadcast()
	}))
	defer unregister()
	for !done() {
		if err := ctx.Err(); err != nil {
			return err
		}
		c.Wait()
	}
	return nil
}

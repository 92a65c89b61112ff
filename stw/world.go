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

	// Start is called by each new domain, on its goroutine, when it is part of
	// the world. If it returns an error the domain ends, and Join or Register
	// returns that error.
	Start func(*Domain) error

	// Stop is called by each domain that ends, if it had started, on its
	// goroutine, while it is still part of the world: it may be asked to stop,
	// and has its local values.
	Stop func(*Domain)

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
	leavers []*Domain // and until they do no more: blocked, and ending
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

// newDomain takes a slot for a domain that is starting.
func (w *World) newDomain() (*Domain, error) {
	d := &Domain{w: w, done: make(chan struct{})}
	d.changed.L = &d.mu
	d.offline = true

	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil, ErrClosed
	}
	d.slot = slices.Index(w.slots, false)
	if d.slot < 0 {
		w.mu.Unlock()
		return nil, ErrFull
	}
	w.slots[d.slot] = true
	w.live++
	w.lastID++
	d.id = w.lastID
	w.mu.Unlock()

	if err := d.attach(w.opts.SMR); err != nil {
		d.release(err)
		return nil, err
	}
	w.mu.Lock()
	w.byID[d.id] = d
	w.mu.Unlock()
	return d, nil
}

// join makes a domain part of the world. It waits while the world is stopped.
func (w *World) join(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stop.Load() == nil {
		w.admitLocked(d)
		return
	}
	// The last one out of the stop admits those that wait, before it lets
	// another stop begin: stops in a row do not keep new domains out.
	w.joiners = append(w.joiners, d)
	for d.State() == Starting {
		w.changed.Wait()
	}
}

func (w *World) admitLocked(d *Domain) {
	d.mu.Lock()
	d.state = Running
	d.mu.Unlock()
	w.set = append(w.set, d)
}

// leave takes a blocked domain out of the world once nothing is asked of it and
// nothing can be about to be. Only under both locks that is known: a stop that is
// led counts on every domain in the set, also on those that are not told yet.
//
// What ends the last reason to stay takes it out at once: the end of a stop, of a service,
// a Resume. So stops or ragged barriers in a row do not keep it.
func (w *World) leave(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.leavers = append(w.leavers, d)
	for w.letGoLocked(d); slices.Contains(w.leavers, d); {
		w.changed.Wait()
	}
}

// letGoLocked takes d out of the world if it waits to leave and may.
func (w *World) letGoLocked(d *Domain) {
	if i := slices.Index(w.leavers, d); i >= 0 && w.stoppable() && w.removeLocked(d) {
		w.leavers = slices.Delete(w.leavers, i, i+1)
		w.changed.Broadcast()
	}
}

// stoppable reports whether no stop is in progress, that would count on the set.
func (w *World) stoppable() bool { return w.stop.Load() == nil }

// removeLocked takes a blocked domain out of the set, unless something is asked of
// it, and reports whether it did.
func (w *World) removeLocked(d *Domain) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.served || d.askedLocked() {
		return false
	}
	d.state = Dead
	w.set = slices.DeleteFunc(w.set, func(o *Domain) bool { return o == d })
	d.changed.Broadcast()
	return true
}

// nextLocked is called when a stop has ended, before another can begin: those that
// wait to come or go do so first, so that stops in a row keep nobody.
func (w *World) nextLocked() {
	for _, d := range w.joiners {
		w.admitLocked(d)
	}
	for _, d := range slices.Clone(w.leavers) {
		w.letGoLocked(d)
	}
	w.joiners = nil
	w.changed.Broadcast()
}

// queue makes s one of those that wait to lead: see turnLocked for which leads next.
func (w *World) queue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !slices.Contains(w.leaders, s) {
		w.leaders = append(w.leaders, s)
	}
}

// unqueue takes s out of those that wait to lead, if it is one.
func (w *World) unqueue(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.unqueueLocked(s) {
		w.changed.Broadcast()
	}
}

func (w *World) unqueueLocked(s *Stop) bool {
	i := slices.Index(w.leaders, s)
	if i >= 0 {
		w.leaders = slices.Delete(w.leaders, i, i+1)
	}
	return i >= 0
}

// turnLocked returns the stop that begins next: the first in the queue whose domain is not
// suspended, or nil. A suspended domain keeps its place and lets the others pass.
func (w *World) turnLocked() *Stop {
	for _, s := range w.leaders {
		if s.leader == nil || !s.leader.suspended() {
			return s
		}
	}
	return nil
}

// suspended is called after a domain was suspended: turnLocked may return another stop now.
// waitTurn holds mu from its look at the suspensions until it sleeps, so it sees the change
// or is woken here.
func (w *World) suspended() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnsChangedLocked()
}

// resumed is the same after d was resumed, which also may leave now.
func (w *World) resumed(d *Domain) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.turnsChangedLocked()
	w.letGoLocked(d)
}

func (w *World) turnsChangedLocked() {
	if len(w.leaders) > 0 {
		w.changed.Broadcast()
	}
}

// waitTurn waits until s may lead.
func (w *World) waitTurn(s *Stop) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.stop.Load() != nil || w.turnLocked() != s {
		w.changed.Wait()
	}
}

// release ends a domain that is not in the set (any more): it frees its slot and
// lets Join return.
func (d *Domain) release(err error) {
	w := d.w
	for _, q := range d.readers {
		q.Close()
	}
	d.mu.Lock()
	d.state = Dead
	d.err = err
	d.changed.Broadcast()
	d.mu.Unlock()

	w.mu.Lock()
	delete(w.byID, d.id)
	w.slots[d.slot] = false
	w.live--
	w.changed.Broadcast()
	w.mu.Unlock()
	sched.Wakes()
	close(d.done)
}

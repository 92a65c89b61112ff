// Package proxy balances requests over backends. The set of backends is replaced as a whole; a backend
// that was taken out is shut down when its last request has ended, however long that takes.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// Errors of the balancer.
var (
	ErrNoBackend = errors.New("proxy: no backend")
	ErrShutdown  = errors.New("proxy: shutting down")
)

// A Transport sends requests to one address.
type Transport interface {
	RoundTrip(ctx context.Context, request []byte) (io.ReadCloser, error)
	io.Closer
}

// A Backend is a server with its transport. It belongs to the sets that have it.
type Backend struct {
	Name      string
	Weight    int
	transport Transport

	active  atomic.Int64
	failed  atomic.Int64
	blocked atomic.Int64 // until when, in nanoseconds
	sets    int          // guarded by Balancer.mu
}

func (b *Backend) usable(now time.Time) bool { return b.blocked.Load() <= now.UnixNano() }

// load is what picks compare: active requests for each unit of weight.
func (b *Backend) load() float64 { return float64(b.active.Load()) / float64(max(b.Weight, 1)) }

func (b *Backend) fail(now time.Time) {
	if b.failed.Add(1)%3 == 0 {
		b.blocked.Store(now.Add(time.Second).UnixNano())
	}
}

// A set is what requests choose from. It does not change.
type set struct {
	balancer *Balancer
	backends []*Backend
}

// release runs when no request has the set any more. A later set may have backends of it.
func (st *set) release() {
	st.balancer.mu.Lock()
	defer st.balancer.mu.Unlock()
	for _, b := range st.backends {
		if b.sets--; b.sets == 0 {
			b.transport.Close()
		}
	}
}

func (st *set) pick(now time.Time, not *Backend) (best *Backend) {
	for _, b := range st.backends {
		if b == not || !b.usable(now) {
			continue
		}
		if best == nil || b.load() < best.load() {
			best = b
		}
	}
	return best
}

// A Balancer sends requests.
type Balancer struct {
	dom     *smr.Domain
	current smr.Pointer[set]
	dial    func(name string) (Transport, error)

	mu     sync.Mutex // guards the counts of sets
	swap   sync.Mutex // writers of current; taken before mu
	known  map[string]*Backend
	closed bool
}

// New returns a balancer without backends.
func New(dial func(name string) (Transport, error)) (*Balancer, error) {
	dom, err := smr.New(smr.Options{Name: "backends", StallAfter: 30 * time.Second})
	if err != nil {
		return nil, err
	}
	b := &Balancer{dom: dom, dial: dial, known: make(map[string]*Backend)}
	b.current.Init(&set{balancer: b})
	return b, nil
}

// A Spec says what backend there is to be.
type Spec struct {
	Name   string
	Weight int
}

// Configure replaces the backends. Those that stay, with their weights, keep their transports.
func (b *Balancer) Configure(specs ...Spec) error {
	b.swap.Lock()
	defer b.swap.Unlock()
	if b.closed {
		return ErrShutdown
	}
	return b.configure(specs)
}

func (b *Balancer) configure(specs []Spec) error {
	next := &set{balancer: b}
	known := make(map[string]*Backend)
	var fresh []*Backend
	for _, sp := range specs {
		be := b.known[sp.Name]
		if be == nil || be.Weight != sp.Weight {
			t, err := b.dial(sp.Name)
			if err != nil {
				for _, f := range fresh { // no request has seen them
					err = errors.Join(err, f.transport.Close())
				}
				return err
			}
			be = &Backend{Name: sp.Name, Weight: sp.Weight, transport: t}
			fresh = append(fresh, be)
		}
		known[sp.Name] = be
		next.backends = append(next.backends, be)
	}
	b.mu.Lock()
	for _, be := range next.backends {
		be.sets++
	}
	b.mu.Unlock()
	old := b.current.LoadSerialized()
	b.current.Store(next)
	b.known = known
	smr.Call(b.dom, old, 0, (*set).release)
	return nil
}

// acquire picks a backend and holds the set that has it.
func (b *Balancer) acquire(not *Backend) (smr.Held[Backend], error) {
	s, ok := b.dom.TryEnter()
	if !ok {
		return smr.Held[Backend]{}, ErrShutdown
	}
	defer s.Leave()
	st := b.current.Load(s)
	be := st.pick(time.Now(), not)
	if be == nil {
		return smr.Held[Backend]{}, ErrNoBackend
	}
	be.active.Add(1)
	return smr.HoldPart(s, st, be), nil
}

func release(h smr.Held[Backend]) {
	h.Get().active.Add(-1)
	h.Release()
}

// A response keeps its backend until its body was read.
type response struct {
	io.ReadCloser
	held smr.Held[Backend]
	once sync.Once
}

func (r *response) Close() error {
	err := r.ReadCloser.Close()
	r.once.Do(func() { release(r.held) })
	return err
}

// Do sends a request, a second time to another backend if the first fails. The caller closes the body.
func (b *Balancer) Do(ctx context.Context, request []byte) (body io.ReadCloser, backend string, err error) {
	var errs []error
	var not *Backend // to compare, not to follow
	for range 2 {
		h, err := b.acquire(not)
		if err != nil {
			errs = append(errs, err)
			break
		}
		be := h.Get()
		body, err := be.transport.RoundTrip(ctx, request)
		if err == nil {
			return &response{ReadCloser: body, held: h}, be.Name, nil
		}
		be.fail(time.Now())
		errs = append(errs, fmt.Errorf("proxy: %s: %w", be.Name, err))
		not = be
		release(h)
	}
	return nil, "", errors.Join(errs...)
}

// Status describes a backend.
type Status struct {
	Name           string
	Active, Failed int64
}

// Status returns the state of all backends, the busiest first.
func (b *Balancer) Status() (all []Status) {
	s, ok := b.dom.TryEnter()
	if !ok {
		return nil
	}
	for _, be := range b.current.Load(s).backends {
		all = append(all, Status{be.Name, be.active.Load(), be.failed.Load()})
	}
	s.Leave()
	slices.SortStableFunc(all, func(a, b Status) int { return int(b.Active - a.Active) })
	return all
}

// Close waits for the requests that run, and closes all transports.
func (b *Balancer) Close(ctx context.Context) error {
	b.swap.Lock()
	if !b.closed {
		b.closed = true
		b.configure(nil) // which dials nothing, and so does not fail
	}
	b.swap.Unlock()
	return b.dom.Close(ctx)
}

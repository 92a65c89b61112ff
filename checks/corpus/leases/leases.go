// Package leases is a lock service: clients take leases on names, and lose them when they do not renew
// them. Watchers hold the lease that they watch.
package leases

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/smrmap"
)

// Errors of the service.
var (
	ErrTaken = errors.New("leases: another client has it")
	ErrLost  = errors.New("leases: the lease is over")
)

// A lease is an object of a pool. Owner and token do not change; until does.
type lease struct {
	owner uint64
	token uint64
	until atomic.Int64
	over  atomic.Bool
}

// A Service has leases.
type Service struct {
	dom    *smr.Domain
	leases *smrmap.Map[string, *lease]
	pool   *slab.Pool[lease]
	tokens atomic.Uint64
	now    func() int64

	mu   sync.Mutex
	goal smr.Seq // of the last Settle
}

// New returns a service without leases.
func New(now func() int64) (*Service, error) {
	dom, err := smr.New(smr.Options{Name: "leases"})
	if err != nil {
		return nil, err
	}
	m, err := smrmap.New[string, *lease](smrmap.Options{Domain: dom})
	if err != nil {
		return nil, errors.Join(err, dom.Close(context.Background()))
	}
	return &Service{dom: dom, leases: m, pool: slab.New[lease](dom, slab.Options{Name: "leases"}), now: now}, nil
}

// Take takes a lease on a name, and returns a token for it.
func (sv *Service) Take(name string, owner uint64, ttl time.Duration) (token uint64, err error) {
	fresh, err := sv.pool.Get()
	if err != nil {
		return 0, err
	}
	now := sv.now()
	token = sv.tokens.Add(1)
	fresh.owner, fresh.token = owner, token
	fresh.until.Store(now + int64(ttl))
	fresh.over.Store(false)
	var old *lease
	taken := false
	_, _, err = sv.leases.Compute(name, func(l *lease, loaded bool) (*lease, smrmap.Op) {
		// The bucket is locked, and who retires a lease takes it out of the map first.
		if loaded && l.owner != owner && l.until.Load() > now {
			taken = true
			return l, smrmap.CancelOp
		}
		old = l
		return fresh, smrmap.UpdateOp
	})
	if err != nil || taken {
		sv.pool.Free(fresh)
		if taken {
			err = ErrTaken
		}
		return 0, err
	}
	if old != nil {
		sv.retire(old)
	}
	return token, nil
}

func (sv *Service) retire(l *lease) {
	l.over.Store(true)
	sv.pool.Retire(l)
}

// find returns the lease of a name if the token is for it, to a reader in section s.
func (sv *Service) find(s smr.Section, name string, token uint64) (*lease, bool) {
	p, ok := sv.leases.LoadIn(s, name)
	if !ok || (*p).token != token {
		return nil, false
	}
	return *p, true
}

// Renew makes a lease last longer.
func (sv *Service) Renew(name string, token uint64, ttl time.Duration) error {
	s, ok := sv.dom.TryEnter()
	if !ok {
		return smr.ErrClosed
	}
	defer s.Leave()
	l, ok := sv.find(s, name, token)
	if !ok {
		return ErrLost
	}
	now := sv.now()
	for {
		until := l.until.Load()
		if until <= now {
			return ErrLost
		}
		if l.until.CompareAndSwap(until, max(until, now+int64(ttl))) {
			return nil
		}
	}
}

// GiveBack ends a lease.
func (sv *Service) GiveBack(name string, token uint64) error {
	var old *lease
	_, _, err := sv.leases.Compute(name, func(l *lease, loaded bool) (*lease, smrmap.Op) {
		if !loaded || l.token != token {
			return l, smrmap.CancelOp
		}
		old = l
		return nil, smrmap.DeleteOp
	})
	if err != nil {
		return err
	}
	if old == nil {
		return ErrLost
	}
	sv.retire(old)
	return nil
}

// Owner returns who has a lease on a name.
func (sv *Service) Owner(name string) (owner uint64, left time.Duration, ok bool) {
	ok = sv.leases.View(name, func(l **lease) {
		owner, left = (*l).owner, time.Duration((*l).until.Load()-sv.now())
	})
	return owner, left, ok && left > 0
}

// A Watch watches one lease.
type Watch struct {
	held smr.Held[lease]
	now  func() int64
}

// Watch returns a watch of the lease that a name has, to be closed. It holds the lease, and no section.
func (sv *Service) Watch(name string) (w Watch, ok bool) {
	s, ok := sv.dom.TryEnter()
	if !ok {
		return w, false
	}
	defer s.Leave()
	p, ok := sv.leases.LoadIn(s, name)
	if !ok {
		return w, false
	}
	return Watch{smr.Hold(s, *p), sv.now}, true
}

// Over reports whether the lease is over.
func (w Watch) Over() bool {
	l := w.held.Get()
	return l.over.Load() || l.until.Load() <= w.now()
}

// Fork returns another watch of the same lease, for another goroutine.
func (w Watch) Fork() Watch { return Watch{w.held.Clone(), w.now} }

// Wait waits until the lease is over, or ctx ends, and closes the watch.
func (w Watch) Wait(ctx context.Context) error {
	defer w.Close()
	for !w.Over() {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Millisecond):
		}
	}
	return nil
}

// Notify calls fn from another goroutine when the lease is over. The watch stays its caller's.
func (w Watch) Notify(ctx context.Context, fn func(error)) {
	go func(w Watch) { fn(w.Wait(ctx)) }(w.Fork())
}

// Close ends the watch.
func (w Watch) Close() { w.held.Release() }

// Expire ends the leases whose time is over.
func (sv *Service) Expire() (n int) {
	s, ok := sv.dom.TryEnter()
	if !ok {
		return 0
	}
	defer s.Leave()
	for name, l := range sv.leases.All() {
		if l.until.Load() > sv.now() {
			continue
		}
		if smrmap.CompareAndDelete(sv.leases, name, l) {
			sv.retire(l)
			n++
		}
	}
	return n
}

// Settled reports whether all who have seen a lease that is over by now have gone on. The first call
// begins to find out.
func (sv *Service) Settled() bool {
	sv.mu.Lock()
	defer sv.mu.Unlock()
	if sv.goal == 0 {
		sv.goal = sv.dom.Advance()
	}
	if !sv.dom.Poll(sv.goal) {
		return false
	}
	sv.goal = 0
	return true
}

// Close ends all leases. Watches are to be closed before.
func (sv *Service) Close(ctx context.Context) error {
	for name := range sv.leases.Keys() {
		if l, ok := sv.leases.LoadAndDelete(name); ok {
			sv.retire(l)
		}
	}
	return errors.Join(sv.leases.Close(ctx), sv.pool.Close(ctx), sv.dom.Close(ctx))
}

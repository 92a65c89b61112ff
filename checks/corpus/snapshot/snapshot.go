// Package snapshot has a value that is replaced as a whole: readers see one version of it, and each
// version is freed when its readers are gone.
package snapshot

import (
	"context"
	"sync"
	"time"

	"github.com/gosmr/gosmr/smr"
)

// A Value has the current version of a T.
type Value[T any] struct {
	dom  *smr.Domain
	free func(*T)
	size func(*T) int

	mu sync.Mutex
	p  smr.Pointer[T]
}

// New returns a Value with a first version. free ends a version, and size is what it then gives back.
func New[T any](dom *smr.Domain, first *T, size func(*T) int, free func(*T)) *Value[T] {
	v := &Value[T]{dom: dom, free: free, size: size}
	v.p.In(dom)
	v.p.GuardedBy(&v.mu)
	v.p.Init(first)
	return v
}

// Load returns the version for a section of the domain.
func (v *Value[T]) Load(s smr.Section) *T { return v.p.Load(s) }

// A Guard is a reader at one version.
type Guard[T any] struct {
	s smr.Section
	p *T
}

// Enter returns a guard, to be left by its Leave.
func (v *Value[T]) Enter() Guard[T] {
	s := v.dom.Enter()
	return Guard[T]{s, v.p.Load(s)}
}

// Get returns the version.
func (g Guard[T]) Get() *T { return g.p }

// Leave ends the guard.
func (g Guard[T]) Leave() { g.s.Leave() }

// Keep holds the version longer than the guard.
func (g Guard[T]) Keep() smr.Held[T] { return smr.Hold(g.s, g.p) }

// Do calls fn with the version.
func (v *Value[T]) Do(fn func(*T)) {
	g := v.Enter()
	defer g.Leave()
	fn(g.Get())
}

// Map returns what fn makes of the version; fn must not return a part of it.
func Map[T, R any](v *Value[T], fn func(*T) R) R {
	g := v.Enter()
	defer g.Leave()
	return fn(g.p)
}

// Update replaces the version by the one that fn makes of it. With an error, or nil, it stays.
func (v *Value[T]) Update(ctx context.Context, fn func(old *T) (*T, error)) error {
	if err := v.dom.Throttle(ctx); err != nil {
		return err
	}
	v.mu.Lock()
	old := v.p.LoadSerialized()
	next, err := fn(old)
	if err != nil || next == nil || next == old {
		v.mu.Unlock()
		return err
	}
	v.p.Store(next)
	v.mu.Unlock()
	smr.Call(v.dom, old, v.size(old), v.free)
	return nil
}

// Close frees the last version. It waits for its readers, and for those of the ones before.
func (v *Value[T]) Close(ctx context.Context) error {
	v.mu.Lock()
	last := v.p.LoadSerialized()
	v.p.Clear()
	v.mu.Unlock()
	if last == nil {
		return nil
	}
	if !smr.TryCall(v.dom, last, v.size(last), v.free) {
		// The domain was closed first, and has no readers any more.
		if err := v.dom.Close(ctx); err != nil {
			return err
		}
		v.free(last)
		return nil
	}
	return v.dom.Barrier(ctx)
}

// Poll calls fn with each new version, in a section of its own, until ctx ends.
func (v *Value[T]) Poll(ctx context.Context, every time.Duration, fn func(*T)) {
	r := v.dom.NewReader()
	defer r.Close()
	var seen uintptr
	for {
		s, ok := r.TryEnter()
		if !ok {
			return
		}
		if at := v.p.LoadUnsafe(); at != seen {
			p := v.p.Load(s)
			if p == nil {
				s.Leave()
				return
			}
			fn(p)
			seen = at
		}
		s.Leave()
		select {
		case <-ctx.Done():
			return
		case <-time.After(every):
		}
	}
}

//go:build invariants

package smr

import (
	"fmt"
	"reflect"
	"slices"
	"sync/atomic"

	"github.com/gosmr/gosmr/internal/callers"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/pinned"
)

// pointerDebug says of which domain a pointer is, and which lock guards it: by numbers, because a
// Pointer may be off the Go heap. In memory that was used for something else before they may be any
// numbers; those that are in no table count as 0, none.
type pointerDebug struct {
	home  atomic.Uint32 // of homes; written by In and by the first Load, read by each Load
	guard atomic.Uint32 // of guards; written by GuardedBy, read by writers
}

// A home is how pointers got their domain. It is shared by all that got it in the same way.
type home struct {
	tag    uint64
	domain string
	by     string        // what told it
	at     callers.Stack // where
}

// A guard is the lock that GuardedBy named.
type guard struct {
	lock TryLocker
	at   callers.Stack // of the first GuardedBy with it
}

// A table gives values numbers other than 0. It keeps them for as long as the program runs: no
// pointer tells that it is gone.
//
// The n-th value has a number that is unlikely to be left in memory by another use, as small ones
// are.
type table[K comparable, V any] struct {
	mu  pinned.Lock // pinned goroutines may take it
	ids map[K]uint32
	all []*V
}

const (
	idFactor  = 0x9e3779b1
	idInverse = 0x0e8b2f51 // of idFactor, modulo 2^32
	idSalt    = 0x5bd1e995
)

// idOf is not 0, which says none, for any number below ordinal(0): some two billion.
func idOf(n int) uint32 { return uint32(n)*idFactor ^ idSalt }

// ordinal is the inverse of idOf, for numbers up to 1<<32 - 1.
func ordinal(id uint32) uint64 { return uint64((id ^ idSalt) * idInverse) }

// id returns the number of key, whose value is v if it has none yet.
func (t *table[K, V]) id(key K, v *V) uint32 {
	t.mu.Lock()
	defer t.mu.Unlock()
	if id := t.ids[key]; id != 0 {
		return id
	}
	if t.ids == nil {
		t.ids = make(map[K]uint32)
	}
	t.all = append(t.all, v)
	t.ids[key] = idOf(len(t.all))
	return t.ids[key]
}

// get returns the value of a number, or nil.
func (t *table[K, V]) get(id uint32) *V {
	if id == 0 {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if n := ordinal(id); n > 0 && n <= uint64(len(t.all)) {
		return t.all[n-1]
	}
	return nil
}

type homeKey struct {
	tag uint64
	by  string
	at  [8]uintptr // the innermost calls
}

var (
	homes  table[homeKey, home]
	guards table[TryLocker, guard]
)

// homeIn returns the number of the home that the caller's caller tells.
func homeIn(d *Domain, by string) uint32 {
	h := &home{tag: d.clk.Tag(), domain: d.opts.Name, by: by, at: callers.Here(3)}
	key := homeKey{tag: h.tag, by: by}
	h.at = slices.Clip(h.at[:min(len(h.at), copy(key.at[:], h.at))])
	return homes.id(key, h)
}

func (p *pointerDebug) in(d *Domain) { p.home.Store(homeIn(d, "In")) }

func (p *pointerDebug) guardedBy(lock TryLocker) {
	switch {
	case lock == nil:
		p.guard.Store(0)
		return
	case !reflect.TypeOf(lock).Comparable():
		panic(fmt.Sprintf("smr: GuardedBy of a %T, which is no pointer: name the lock itself", lock))
	}
	p.guard.Store(guards.id(lock, &guard{lock, callers.Here(2)}))
}

// loading panics unless s is open and of the pointer's domain, which the first load tells if In did
// not.
func (p *pointerDebug) loading(s Section) {
	const what = "Pointer.Load"
	s.mustBeOpen(what, "")
	tag := s.in.Rec.Clock().Tag()
	for {
		id := p.home.Load()
		h := homes.get(id)
		if h == nil {
			if d := s.domain(); d == nil || p.home.CompareAndSwap(id, homeIn(d, "its first Load")) {
				return
			}
			continue
		}
		if h.tag != tag {
			s.domain().misuse(fmt.Sprintf("smr: %s in a section of another domain: the pointer is of domain %s, by %s at:\n%s"+
				"Enter that domain, or load by its containers' own Enter. The section is %s",
				what, h.domain, h.by, h.at, s.origin()))
		}
		return
	}
}

// writing panics if the writers' lock is not held. It can't tell which goroutine holds it.
func (p *pointerDebug) writing(what string) {
	g := guards.get(p.guard.Load())
	if g == nil || invariants.Held(g.lock) {
		return
	}
	panic(fmt.Sprintf("smr: Pointer.%s: the lock that guards the pointer's writers, a %T, is not held. Lock it, or write by "+
		"Swap or CompareAndSwap, which need no lock. GuardedBy named it at:\n%sThe pointer is used at:\n%s",
		what, g.lock, g.at, callers.Here(2)))
}

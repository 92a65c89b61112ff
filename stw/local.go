package stw

import (
	"sync"

	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
)

// A Key names a domain-local value: each domain has its own.
type Key[T any] struct {
	index   int
	init    func(*Domain) T
	inherit func(T) T
}

// lastKey is the number of keys. NewKey adds to it; only that each gets another number matters.
var lastKey satomic.Int64

// NewKey returns a key. A domain's first value is what init returns at its first use, or the zero T
// if init is nil. Keys are never freed: make them once.
func NewKey[T any](init func(*Domain) T) *Key[T] {
	return &Key[T]{index: int(lastKey.Add(1)) - 1, init: init}
}

// NewInheritedKey is [NewKey], but a domain that [Domain.Spawn] starts inherits the value of the
// domain that calls it, if that has one: inherit makes its first value of that, in Spawn. If inherit
// is nil it is the same value.
func NewInheritedKey[T any](init func(*Domain) T, inherit func(T) T) *Key[T] {
	k := NewKey(init)
	if k.inherit = inherit; inherit == nil {
		k.inherit = func(v T) T { return v }
	}
	inheritedKeys.mu.Lock()
	defer inheritedKeys.mu.Unlock()
	inheritedKeys.all = append(inheritedKeys.all, k)
	return k
}

var inheritedKeys struct {
	mu  sync.Mutex
	all []interface{ bequeath(from, to []any) []any }
}

// bequest returns the local values for a new domain that inherits from this one.
func (d *Domain) bequest() (locals []any) {
	inheritedKeys.mu.Lock()
	keys := inheritedKeys.all
	inheritedKeys.mu.Unlock()
	for _, k := range keys {
		locals = k.bequeath(d.locals, locals)
	}
	return locals
}

// bequeath adds to the values of one domain what it inherits from another's.
func (k *Key[T]) bequeath(from, to []any) []any {
	if k.index < len(from) {
		if v, ok := from[k.index].(*T); ok {
			return k.set(to, k.inherit(*v))
		}
	}
	return to
}

// Get returns the domain's value. Call it only from the domain's own goroutine, or from a function
// that runs for the domain.
func (k *Key[T]) Get(d *Domain) T {
	if k.index < len(d.locals) {
		if v, ok := d.locals[k.index].(*T); ok {
			return *v
		}
	}
	var v T
	if k.init != nil {
		v = k.init(d)
	}
	k.Set(d, v)
	return v
}

// Set changes the domain's value. Call it only where Get is allowed.
func (k *Key[T]) Set(d *Domain, v T) { d.locals = k.set(d.locals, v) }

func (k *Key[T]) set(locals []any, v T) []any {
	for len(locals) <= k.index {
		locals = append(locals, nil)
	}
	locals[k.index] = &v
	return locals
}

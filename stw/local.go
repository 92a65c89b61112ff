package stw

import satomic "github.com/gosmr/gosmr/internal/sched/atomic"

// A Key names a domain-local value: each domain has its own.
type Key[T any] struct {
	index int
	init  func(*Domain) T
}

var lastKey satomic.Int64

// NewKey returns a key. A domain's first value is what init returns at its first use, or the zero T
// if init is nil. Keys are never freed: make them once.
func NewKey[T any](init func(*Domain) T) *Key[T] {
	return &Key[T]{index: int(lastKey.Add(1)) - 1, init: init}
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
func (k *Key[T]) Set(d *Domain, v T) {
	for len(d.locals) <= k.index {
		d.locals = append(d.locals, nil)
	}
	d.locals[k.index] = &v
}

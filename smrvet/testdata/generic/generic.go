// Package generic has mistakes in generic functions and types.
package generic

import "github.com/gosmr/gosmr/smr"

type box[T any] struct {
	dom *smr.Domain
	p   smr.Pointer[T]
}

func (b *box[T]) bad() *T {
	s := b.dom.Enter()
	defer s.Leave()
	return b.p.Load(s) // want `smrreturnborrowed`
}

func (b *box[T]) get(s smr.Section) *T { return b.p.Load(s) }

func (b *box[T]) leaks() bool {
	s := b.dom.Enter() // want `smrunleft`
	return b.get(s) == nil
}

type number interface{ ~int | ~uint }

func after[N number](b *box[N]) N {
	s := b.dom.Enter()
	v := b.get(s)
	s.Leave()
	return *v // want `smruseafterleave`
}

func instance(b *box[int]) int {
	s := b.dom.Enter()
	v := b.get(s)
	s.Leave()
	return *v // want `smruseafterleave`
}

func apply[T, R any](b *box[T], fn func(*T) R) R {
	s := b.dom.Enter()
	defer s.Leave()
	return fn(b.p.Load(s))
}

func identity[T any](v T) T { return v }

func throughGeneric(b *box[[4]int]) int {
	s := b.dom.Enter()
	v := identity(b.get(s))
	s.Leave()
	return v[0] // want `smruseafterleave`
}

func right[N number](b *box[N]) N {
	s := b.dom.Enter()
	defer s.Leave()
	return *b.get(s)
}

func rightApply(b *box[int]) int { return apply(b, func(n *int) int { return *n }) }

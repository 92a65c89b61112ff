package slab

import "github.com/gosmr/gosmr/smr"

// Domain returns the pool's domain: that of the sections in which its objects are read.
func (p *Pool[T]) Domain() *smr.Domain { return p.s.dom }

// Domain is [Pool.Domain].
func (b *Blocks) Domain() *smr.Domain { return b.dom }

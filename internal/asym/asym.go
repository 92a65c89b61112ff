// Package asym is an asymmetric fence: free on the side that runs often, expensive on the side that
// runs rarely.
//
// Each side stores one word and then loads the other's. With Light between the two on the frequent
// side, which uses package relacq, and Heavy on the rare side, at least one sees what the other
// stored. Package clock has its own, whose choice sits in a word that its readers load anyway.
package asym

import (
	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
)

// A Fence is one choice of how to fence, made once and kept by both sides.
type Fence struct {
	both bool // the frequent side fences for itself: there is no membarrier
}

// New returns the cheapest choice that the kernel allows, which it asks once per process.
func New() Fence { return Fence{both: relacq.Plain && !membarrier.Available()} }

// Both returns the choice that does without the kernel, for tests.
func Both() Fence { return Fence{both: relacq.Plain} }

// Light is the frequent side's half. It pairs with [Fence.Heavy].
func (f Fence) Light() {
	if f.both {
		relacq.Fence()
	}
}

// Heavy is the rare side's half. It pairs with [Fence.Light].
func (f Fence) Heavy() {
	switch {
	case !relacq.Plain: // each store is a fence
	case f.both:
		relacq.Fence()
	default:
		membarrier.Barrier()
	}
}

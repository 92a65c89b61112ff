package main

import "sync/atomic"

// The ages of an element. Each grace period takes it one stage from unlinked to reusable.
const (
	live     = 0
	unlinked = 1  // the last that a reader may see
	retired  = 2  // one grace period is over: no reader holds it
	reusable = 10 // back in the free list
)

const payloadWords = 8

// poison fills the payload of an element that no reader may hold. No generation reaches it.
const poison = 0xdead_beef_dead_beef

// A body is the part of an element that readers see. It belongs to the one goroutine that fills,
// unlinks or ages it; any number of readers may hold it while its age is live or unlinked. It holds
// no pointers, so it may lie off the Go heap.
type body struct {
	// age is atomic, as readers may load it while it goes from live to unlinked. Written by the
	// owner.
	age atomic.Int32

	// payload is plain, so that the race detector checks it. All words are equal: the generation,
	// or poison. Written by the owner while no reader may hold the body; the order of the two is
	// what the torture tests.
	payload [payloadWords]uint64
}

// look reads the payload. sound is false unless it is one of a live body.
func (b *body) look() (word uint64, sound bool) {
	word = b.payload[0]
	sound = word != poison
	for _, w := range b.payload[1:] {
		if w != word {
			sound = false
		}
	}
	return word, sound
}

func (b *body) fill(word uint64) {
	for i := range b.payload {
		b.payload[i] = word
	}
}

// begin makes a body that no reader may hold ready for a new life.
func (b *body) begin(generation uint64) {
	b.fill(generation)
	b.age.Store(live)
}

// end poisons a body after its only grace period.
func (b *body) end() {
	b.age.Store(retired)
	b.fill(poison)
}

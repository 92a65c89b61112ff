package stw

import (
	"github.com/gosmr/gosmr/internal/sched/atomic"
)

// A barrier makes parties wait for one another, phase by phase. It is sense-
// reversing: whoever comes last resets the arrivals and flips the sense, which is
// what the others wait for; so a fast one can arrive for the next phase while slow
// ones have not left this one. A party that drops out is waited for no more.
//
//	state:  parties (32 bits) | arrived (31 bits) | sense (1 bit)
//
// With all three in one word the arrivals are reset not after the flip but with it.
type barrier struct {
	state atomic.Uint64 // all parties, by compare-and-swap
	alone atomic.Bool   // the last one in runs its function
	park  parking
	spins int
}

const (
	senseBit    = 1
	oneArrival  = 1 << 1
	oneParty    = 1 << 32
	arrivedMask = oneParty - oneArrival
)

func (b *barrier) init(parties, spins int) {
	b.state.Store(uint64(parties) * oneParty)
	b.spins = spins
}

func parties(state uint64) uint64 { return state / oneParty }
func arrived(state uint64) uint64 { return state & arrivedMask / oneArrival }

// await returns when all parties have arrived. The last one runs last, if that is
// not nil, before any of them returns.
func (b *barrier) await(last func()) {
	if b.alone.Load() {
		panic("stw: Barrier inside a function that the last one in runs alone")
	}
	for {
		old := b.state.Load()
		if arrived(old)+1 < parties(old) {
			if b.state.CompareAndSwap(old, old+oneArrival) {
				b.park.wait(b.spins, func() bool { return (b.state.Load()^old)&senseBit != 0 })
				return
			}
			continue
		}
		// The others wait for the flip: nobody else changes the state now.
		if last != nil {
			b.runAlone(last)
		}
		b.flip(old, parties(old))
		return
	}
}

func (b *barrier) runAlone(last func()) {
	b.alone.Store(true)
	defer b.alone.Store(false)
	last()
}

// drop is called by a party that will not arrive any more. If the others wait for
// it only, they wait no longer.
func (b *barrier) drop() {
	for {
		old := b.state.Load()
		rest := parties(old) - 1
		if rest > 0 && arrived(old) == rest {
			b.flip(old, rest)
			return
		}
		if b.state.CompareAndSwap(old, old-oneParty) {
			return
		}
	}
}

// flip ends a phase in which all parties but the caller have arrived.
func (b *barrier) flip(old, parties uint64) {
	sense := ^old & senseBit
	b.state.Store(parties*oneParty | sense)
	b.park.wake()
}

package stw

import satomic "github.com/gosmr/gosmr/internal/sched/atomic"

// A barrier makes parties wait for one another, phase by phase. It is sense-reversing: the last
// party to arrive resets the arrivals and flips the sense, for which the others wait. One store
// does both, so a fast party can arrive for the next phase while slow ones are still leaving this
// one. A party may drop out; the others no longer wait for it.
//
//	state:  parties (32 bits) | arrived (31 bits) | sense (1 bit)
type barrier struct {
	// state is written by all parties, and by a caller that drops one: by compare-and-swap, or by the
	// store of the only one that may still change it (see flip). All read it. What a party did before it
	// arrived happens before what others do after the flip.
	state satomic.Uint64

	// alone is set while the last party to arrive runs its function. That party writes it, and an arrival
	// inside the function, on the same goroutine, finds it set.
	alone satomic.Bool

	park  parking
	spins int
}

const (
	senseBit    = 1
	oneArrival  = 1 << 1
	oneParty    = 1 << 32
	arrivedMask = oneParty - oneArrival
)

// init prepares the barrier; no party may be using it.
func (b *barrier) init(parties, spins int) {
	b.state.Store(uint64(parties) * oneParty)
	b.spins = spins
}

func parties(state uint64) uint64 { return state / oneParty }
func arrived(state uint64) uint64 { return state & arrivedMask / oneArrival }

// await returns when all parties have arrived and the last to arrive has called last, if not nil.
func (b *barrier) await(last func()) { b.leave(b.arrive(last)) }

// split is await, and calls work after the arrival.
func (b *barrier) split(work, last func()) {
	sense := b.arrive(last)
	defer b.leave(sense) // also if work panics: a party must not drop out of a phase that counts it
	work()
}

// arrive counts the caller in, and returns the sense for whose flip it waits. If it is the last to
// arrive it calls last, if not nil, and flips the sense itself.
func (b *barrier) arrive(last func()) (sense uint64) {
	if b.alone.Load() {
		panic("stw: Barrier inside a function that the last one in runs alone")
	}
	old := b.state.Load()
	for arrived(old)+1 < parties(old) {
		if b.state.CompareAndSwap(old, old+oneArrival) {
			return old & senseBit
		}
		old = b.state.Load()
	}
	// All others have arrived: they wait for the flip, or are at work before they do (split), so the
	// state does not change here.
	if last != nil {
		b.runAlone(last)
	}
	b.flip(old, parties(old))
	return old & senseBit
}

// leave returns when the sense has flipped.
func (b *barrier) leave(sense uint64) {
	b.park.wait(b.spins, func() bool { return b.state.Load()&senseBit != sense })
}

// runAlone calls last. An await inside it panics: it would wait for itself.
func (b *barrier) runAlone(last func()) {
	b.alone.Store(true)
	defer b.alone.Store(false)
	last()
}

// drop takes one party out. If only that party was missing, the phase ends.
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

// flip ends a phase in which all but the caller have arrived. The next one has that many parties.
func (b *barrier) flip(old, parties uint64) {
	sense := ^old & senseBit
	b.state.Store(parties*oneParty | sense)
	b.park.wake()
}

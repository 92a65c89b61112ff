package clock

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// Kind tells what sort of reader a record belongs to.
type Kind uint8

const (
	Tracker   Kind = iota // a section that may block and migrate
	Pinned                // a section that holds its processor
	Owned                 // a section of a registered reader
	Quiescent             // driven from outside, between two quiescent states
)

func (k Kind) String() string {
	return [...]string{"section", "pinned section", "reader", "quiescent reader"}[k]
}

// A Record is one reader's word, in a cache line of its own: what the poller
// looks at. Records are in Go memory (the race detector does not see
// synchronization through other memory) and stay with their clock for good.
type Record struct {
	// In front, because a zero-size field at the end would add a word.
	_ [(pcpu.LineSize - unsafe.Sizeof(record{})%pcpu.LineSize) % pcpu.LineSize]byte
	record
}

type record struct {
	// seq is 0 while idle, else the clock's wr as seen on entry, with pinnedBit
	// set in a pinned section; retiredWord in the record of a closed reader.
	// Written by the goroutine that enters (its processor's alone where
	// pcpu.Exclusive, by compare-and-swap otherwise) and by the one that
	// leaves; read by pollers. The store on entry needs a store-load fence
	// before the section's first protected load; see Clock.heavyFence. The
	// store on leaving is a release: it keeps the section's loads before it.
	seq relacq.Uint64

	// gen numbers the sections that used this record, in steps of genStep, so
	// that a section left twice, or used after Leave, is told from the next
	// section on the same record. Written by the goroutine that leaves, before
	// its store to seq; read by whoever claims the record (seq orders the two)
	// and, looking for misuse, by whoever holds a Section of it.
	gen relacq.Uint64

	// waiter is 1 when the driver sleeps, or is about to, until this record
	// changes. Stored by the driver before its heavy fence and second load of
	// seq, in Clock.arm; loaded by the leaving reader after its store to seq, and
	// swapped to 0 by the one that kicks. With the heavy fence, or the reader's own
	// where the clock is fenced, at least one of the two sees the other.
	waiter atomic.Uint32

	// Constant once the record is published.
	cpu   int32 // slot of a Tracker, -1 for the others
	kind  Kind
	clock *Clock
	next  *Record // older record of the same list

	// report asks the owner of a Quiescent record for a quiescent state soon.
	// Set when the record is registered, read by waiters.
	report atomic.Pointer[func()]
}

// Bits below the generation, in a section's copy only: a plain section's is the
// record's, which Leave looks for first.
const (
	genPinned    = 1 << iota // Leave must unpin
	genFenced                // Leave must fence: no membarrier
	genQuiescent             // ends at the next quiescent state
	genStep

	genBits = genStep - 1
)

// retiredWord is idle to a poller and taken to a reader.
const retiredWord = pinnedBit

// A record has its line to itself but is not padded to pcpu.Stride: neighbours
// belong to the same processor's slot. This fails to compile where a field
// pushes it over one line.
var _ [64 - unsafe.Sizeof(record{})]byte

func (r *Record) init(c *Clock, kind Kind, cpu int) {
	r.clock, r.kind, r.cpu = c, kind, int32(cpu)
}

// Kind returns the record's kind.
func (r *Record) Kind() Kind { return r.kind }

// claim takes an idle record for a section that entered at word, and reports
// whether it got it.
func (r *Record) claim(word uint64) bool {
	if !pcpu.Exclusive {
		return r.seq.CompareAndSwap(0, word)
	}
	if r.seq.Load() != 0 {
		return false
	}
	r.seq.Store(word)
	return true
}

// fence is the fence of entries, where there is no membarrier. It pairs with
// Clock.heavyFence.
func (r *Record) fence() {
	if r.clock.fenced() {
		relacq.Fence()
	}
}

// Active reports whether the section of generation gen is open.
func (r *Record) Active(gen uint64) bool {
	return r != nil && r.gen.Load() == gen&^genBits && r.open()
}

// open reports whether some section is open on the record.
func (r *Record) open() bool { return r.seq.Load()&^pinnedBit != 0 }

// Leave ends the section of generation gen. It panics if that section is not
// open. It may be called by another goroutine than the one that entered,
// unless the section is pinned, but not by two at the same time: both may find the
// section open, and the later one then ends the record's next section. Leaving a
// Quiescent section does nothing: it ends at the next quiescent state.
//
//go:nosplit
func (r *Record) Leave(gen uint64) {
	if r == nil {
		panic("smr: Leave of a zero Section: it was never entered")
	}
	if r.gen.Load() == gen {
		r.gen.StoreGuarded(gen + genStep)
		r.seq.Store(0)
		if r.waiter.Load() == 0 {
			return // most of the time
		}
		r.wake()
		return
	}
	if r.gen.Load()|genPinned == gen {
		r.gen.StoreGuarded(gen - genPinned + genStep)
		r.seq.Store(0)
		pcpu.Unpin()
		if r.waiter.Load() == 0 {
			return
		}
		r.wake()
		return
	}
	r.leaveOdd(gen)
}

// leaveOdd is Leave for a generation that is neither the record's nor that of its pinned
// section.
//
//go:noinline
func (r *Record) leaveOdd(gen uint64) {
	if gen&genQuiescent != 0 {
		if !r.Active(gen) {
			panic("smr: Leave of a quiescent Section after its quiescent state: it has ended")
		}
		return
	}
	if gen&genFenced != 0 && r.gen.Load() == gen&^genBits {
		r.gen.StoreGuarded(gen&^genBits + genStep)
		r.seq.Store(0)
		if gen&genPinned != 0 {
			pcpu.Unpin()
		}
		relacq.Fence() // pairs with heavyFence in Clock.arm
		if r.waiter.Load() != 0 {
			r.wake()
		}
		return
	}
	panic("smr: Leave of a Section that is not open: it was left before")
}

// wake kicks the driver if it sleeps on this record. It never blocks: the caller may
// be pinned by an outer section.
//
//go:noinline
func (r *Record) wake() {
	if r.waiter.Swap(0) != 0 {
		r.clock.kick()
	}
}

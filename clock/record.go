package clock

import (
	"unsafe"

	"github.com/gosmr/gosmr/internal/relacq"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// Kind is the kind of reader that a record belongs to.
type Kind uint8

const (
	Tracker   Kind = iota // a section that may block and migrate
	Pinned                // a section that holds its processor
	Owned                 // a section of a registered reader
	Quiescent             // a section from one quiescent state to the next
)

func (k Kind) String() string {
	return [...]string{"section", "pinned section", "reader", "quiescent reader"}[k]
}

// A Record is one reader's word, which pollers load, in a cache line of its own. Records are in Go
// memory: the race detector sees no synchronization through other memory, and a Section may refer
// to a tracker that its slot has given back.
type Record struct {
	// The pad comes first: at the end, one of size 0 would add a word.
	_ [(pcpu.LineSize - recordSize%pcpu.LineSize) % pcpu.LineSize]byte

	// seq is 0 while the record is idle; in a section, the wr that was loaded on entry, with
	// pinnedBit set if it is pinned; closedWord if the reader is closed or the tracker retired.
	// Stored by the goroutine that enters or that retires a tracker (a tracker's by compare-and-swap
	// unless pcpu.Exclusive) and by the one that leaves, and compare-and-swapped to and from
	// closedWord; loaded by pollers. The store on entry needs a store-load fence before the
	// section's first protected load: see Clock.heavyFence. The store on leaving is a release: the
	// section's loads come before it.
	seq relacq.Uint64

	// gen numbers the sections on this record, in steps of genStep, from 0 on or, for a tracker, from
	// its place in the slot's list on: see sample.go. It tells a section that is left twice, or used
	// after Leave, from the record's next section. Stored by the goroutine that leaves, before its
	// store to seq; loaded by the one that claims the record (seq orders the two) and, to detect
	// misuse, by holders of its sections.
	gen relacq.Uint64

	// waiter is 1 when the driver sleeps, or is about to, until this record changes. The driver
	// stores it before its heavy fence and second load of seq: see Clock.arm. The reader that leaves,
	// or moves on to a later moment, loads it after its store to seq, and swaps it to 0 to kick the
	// driver.
	waiter satomic.Uint32

	// Constant once the record is published.
	cpu   int32 // slot of a Tracker, or what the record is instead
	clock *Clock

	// last is the moment at which an Owned record's next section is likely to begin: the wr that its
	// owner loaded last, or 0 while Clock.exceptions is not 0. Only the owner accesses it.
	last uint64

	// next is the older record of the same list. Stored before the record is published; moved on, by
	// compare-and-swap, where its slot shrinks; loaded by scans and entries.
	next relacq.Pointer[Record]

	// report asks the owner of a Quiescent record for a quiescent state soon. Stored when the
	// record is registered or closed; loaded by waiters and the driver.
	report satomic.Pointer[func()]

	// sampled is the last sample of a section's entry on this record. Stored by the goroutine that
	// enters; loaded by reports, which compare its generation.
	sampled satomic.Pointer[Sample]
}

// What Record.cpu is of a record that is in no slot.
const (
	ownedCPU     = -1
	quiescentCPU = -2
)

// recordSize is the size of a Record's fields, with words of 4 or 8 bytes.
const recordSize = 48 + (unsafe.Sizeof(uintptr(0))-4)*4

// Bits below the generation, set only in the copy that a section holds, never in the record's gen.
// A plain section has none of them, which Leave checks first.
const (
	genPinned    = 1 << iota // Leave must unpin
	genFenced                // Leave must fence: no membarrier
	genQuiescent             // ends at the next quiescent state

	genBits = genPinned | genFenced | genQuiescent
	genLeft = genFenced | genQuiescent // in no section: see leaveRare
)

// genStep is the difference between the generations of a record's sections in turn. It adds
// 0x9E3779B8 to the low half: see sample.go. As it is an odd multiple of genBits + 1, no generation
// comes again for 2^61 sections.
const genStep = 1<<64 - 1<<32 + 0x9E3779B8

// closedWord is the word of a closed reader and of a retired tracker: idle for a poller, taken for
// an entry.
const closedWord = pinnedBit

// A record fills one line, and is not padded to pcpu.Stride: its neighbours belong to the same
// processor's slot. This fails to compile if a field pushes it over the line.
var _ [pcpu.LineSize - unsafe.Sizeof(Record{})]byte

func (r *Record) init(c *Clock, cpu int) { r.clock, r.cpu = c, int32(cpu) }

// initTracker makes r the tracker of a slot. place is about its place in the slot's list.
func (r *Record) initTracker(c *Clock, cpu, place int) {
	r.init(c, cpu)
	r.gen.StorePrivate(uint64(place) * genStep)
}

// Kind returns the record's kind.
func (r *Record) Kind() Kind {
	switch r.cpu {
	case ownedCPU:
		return Owned
	case quiescentCPU:
		return Quiescent
	}
	return Tracker
}

// claim takes an idle record for a section that enters at word. It reports false if the record is
// taken.
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

// Active reports whether the section of generation gen is open.
func (r *Record) Active(gen uint64) bool {
	return r != nil && r.gen.Load() == gen&^genBits && r.open()
}

// open reports whether a section is open on the record.
func (r *Record) open() bool { return r.seq.Load()&^pinnedBit != 0 }

// Leave ends the section of generation gen. It panics if that section is not open. Unless the
// section is pinned, any goroutine may leave it, but no two at once: both may find it open, and the
// later one then ends the record's next section. Leave does nothing to a Quiescent section, which
// ends at the next quiescent state.
//
//go:nosplit
func (r *Record) Leave(gen uint64) { r.LeaveOr(gen, (*Record).LeaveSlow) }

// LeaveOr is Leave where the compiler can inline it. Pass it LeaveSlow: a call of a parameter counts
// for less than one of a method, and after inlining it is one.
func (r *Record) LeaveOr(gen uint64, slow func(*Record, uint64)) {
	if r != nil { // not by &&, of which the compiler would make a value, to test
		if r.gen.Load() == gen {
			r.gen.StoreGuarded(gen + genStep)
			r.seq.Store(0)
			if r.waiter.Load() == 0 {
				return
			}
			gen |= genLeft
		}
	}
	slow(r, gen)
}

// LeaveSlow is Leave where LeaveOr is not all of it: for pinned sections, and for what is rare.
//
//go:noinline
//go:nosplit
func (r *Record) LeaveSlow(gen uint64) {
	if r != nil {
		if r.gen.Load()|genPinned == gen {
			r.gen.StoreGuarded(gen - genPinned + genStep)
			r.seq.Store(0)
			pcpu.Unpin()
			if r.waiter.Load() == 0 {
				return
			}
			gen = genLeft
		}
	}
	r.leaveRare(gen)
}

// leaveRare is Leave for sections of fenced clocks and of Quiescent records, and for misuse. If gen
// has genLeft, the section has been left, and the driver waits for that.
//
//go:noinline
func (r *Record) leaveRare(gen uint64) {
	if r == nil {
		panic("smr: Leave of a zero Section: it was never entered")
	}
	if gen&genLeft == genLeft {
		r.wake()
		return
	}
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
		relacq.Fence() // pairs with the store in Clock.arm
		if r.waiter.Load() != 0 {
			r.wake()
		}
		return
	}
	panic("smr: Leave of a Section that is not open: it was left before")
}

// wake kicks the driver if it sleeps on this record. It never blocks: the caller may be pinned by
// an outer section.
//
//go:noinline
func (r *Record) wake() {
	if r.waiter.Swap(0) != 0 {
		r.clock.kick()
	}
}

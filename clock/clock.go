package clock

import (
	"runtime"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A Clock is a sequence clock with its readers' records. Call [Clock.Init]
// before anything else; a Clock must not be copied.
type Clock struct {
	entryLine
	_ [pcpu.Stride - unsafe.Sizeof(entryLine{})%pcpu.Stride]byte

	// rd is a moment that every reader has reached: no section entered before
	// it is still open. It only moves forward, by compare-and-swap; written by
	// pollers, read by anybody (acquire: what a section did is before rd passes
	// the section's end).
	rd atomic.Uint64

	// owned lists the Owned and Quiescent records. Only pushed to; the records
	// of closed readers stay and are used again.
	owned atomic.Pointer[Record]

	// Constant after Init.
	opts     Options
	start    Seq
	parallel bool // a reader may be running while a waiter spins

	driver driver

	scans atomic.Uint64 // for Counters
}

// entryLine is what an entry reads: one line, which only Advance and Commit write.
type entryLine struct {
	// wr is the current moment. Written by Advance (atomic add) and Commit
	// (compare-and-swap), both full fences, so that what the advancing
	// goroutine unlinked before is visible to any reader that enters at the new
	// moment. Read by every entry (acquire).
	wr    atomic.Uint64
	slots pcpu.Slots[slot]
	// odd says what an entry must do besides: see Clock.enteredOdd. oddFenced is
	// set by Init, oddSealed by Seal, before it seals the slots; read by every
	// entry after it has stored its record.
	odd atomic.Uint32
}

const (
	oddFenced = 1 << iota // readers fence for themselves: the kernel has no membarrier
	oddSealed
)

// fenced reports whether this clock's readers fence for themselves. They never
// do where relacq stores are sequentially consistent and no fence is needed.
func (c *Clock) fenced() bool { return relacq.Plain && c.odd.Load()&oddFenced != 0 }

// Options change how a Clock behaves. The zero Options is valid.
type Options struct {
	// Name names the clock in panics.
	Name string

	// StallAfter is how long a grace period may take before OnStall is told,
	// and again each time twice as long has passed. 0 means never.
	StallAfter time.Duration

	// OnStall is called on a goroutine of the clock's, on which all parked waits
	// depend. It must not block, and must not wait on this clock. A panic in it ends
	// the program; runtime.Goexit ends only that goroutine, which another replaces.
	OnStall func(Stall)

	// Fenced makes readers execute a fence of their own also where the kernel
	// has membarrier, as they do where it has none. For tests.
	Fenced bool

	// Start, if not 0, is where the clock starts, less its tag. For tests of
	// wrap arithmetic; see also -tags smr_wrap.
	Start Seq
}

// Init makes the clock ready for use.
func (c *Clock) Init(o Options) {
	c.opts = o
	if relacq.Plain && (o.Fenced || !membarrier.Available()) {
		c.odd.Store(oddFenced)
	}
	start := firstSeq
	if o.Start != 0 {
		start = o.Start
	}
	start = start&^(increment-1) | nextTag()
	c.start = start
	c.parallel = runtime.NumCPU() > 1
	c.wr.Store(uint64(start))
	c.rd.Store(uint64(start))
	c.slots.Init(c.newSlot)
	c.driver.wake = make(chan struct{}, 1)
}

// Now returns the current moment.
func (c *Clock) Now() Seq { return Seq(c.wr.Load()) }

// Reached returns the latest moment that every reader is known to have reached.
func (c *Clock) Reached() Seq { return Seq(c.rd.Load()) }

// maxLead is how far wr may run ahead of rd: half of what signed comparison
// stands. That many advances take hours at the least, all with one section open;
// after that Advance and Commit leave wr where it is, goals stay uncommitted, and
// waiters wait. FreeBSD blocks in advance instead.
const maxLead = 1 << 62

// tooFarAhead reports whether wr must not move on before rd does. rd is loaded
// first: it never passes a wr loaded later.
func (c *Clock) tooFarAhead() bool {
	rd := c.rd.Load()
	return c.wr.Load()-rd >= maxLead
}

// Advance moves the clock to a new moment and returns it. Once [Clock.Poll]
// reports it reached, no reader can hold what the caller unlinked before. (When
// a section has been open for 2^42 advances, the goal is a deferred one: Wait
// commits it, Poll does not.)
//
// Cost: one atomic add on a word that every entry reads.
func (c *Clock) Advance() Seq {
	if c.tooFarAhead() {
		return c.DeferredAdvance()
	}
	return Seq(c.wr.Add(uint64(increment)))
}

// DeferredAdvance returns a goal as Advance does, without moving the clock: the
// goal counts from when it is committed, by [Clock.Commit], by Wait, or by
// anybody's Advance. Many goals can share one advance that way.
//
// The fence makes the caller's unlinking visible before wr is read. It pairs
// with the fence in Advance and Commit: a reader that entered at the goal read
// a wr that somebody advanced after this load, hence after the unlinking.
func (c *Clock) DeferredAdvance() Seq {
	relacq.Fence()
	return Seq(c.wr.Load()) + increment
}

// Commit moves the clock to goal, a result of DeferredAdvance, unless somebody
// did so already. Anything that is not such a result has no effect.
func (c *Clock) Commit(goal Seq) {
	prev := goal - increment
	if Seq(c.wr.Load()) == prev && !c.tooFarAhead() {
		c.wr.CompareAndSwap(uint64(prev), uint64(goal))
	}
}

// issued reports whether this clock can have returned goal.
func (c *Clock) issued(goal Seq) bool {
	wr := c.Now()
	own := (goal-wr)&(increment-1) == 0
	future := (wr + increment).Before(goal)
	return goal != 0 && own && !future
}

// reached is Poll without a scan, for an issued goal.
func (c *Clock) reached(goal Seq) bool { return !Seq(c.rd.Load()).Before(goal) }

// Poll reports whether every reader has reached goal. It never blocks. It
// reports false for a goal that is not committed, and for one that this clock
// never issued. A goal once reached stays reached.
//
// Cost: two loads if the goal is known to be reached; else a heavy fence and a
// look at every record.
func (c *Clock) Poll(goal Seq) bool {
	reached, _ := c.poll(goal)
	return reached
}

// poll is Poll, and returns what holds back a goal that is not reached, if it
// scanned and found something.
func (c *Clock) poll(goal Seq) (reached bool, o obstacle) {
	if !c.issued(goal) {
		return false, obstacle{}
	}
	if c.reached(goal) {
		return true, obstacle{}
	}
	if Seq(c.wr.Load()).Before(goal) {
		return false, obstacle{}
	}
	return c.seek(goal)
}

// seek is poll, without the checks: it scans. Any goroutine but the driver's uses it.
func (c *Clock) seek(goal Seq) (reached bool, o obstacle) {
	before := c.Reached()
	o = c.scan(goal)
	c.kickIfMoved(before)
	return c.reached(goal), o
}

// Counters returns how often the clock advanced, up to a wrap, and how often it
// scanned its records.
func (c *Clock) Counters() (advances, scans uint64) {
	return uint64((c.Now() - c.start) / increment), c.scans.Load()
}

// Tag returns what all Seqs of this clock have in common, and no other clock's.
func (c *Clock) Tag() uint64 { return c.wr.Load() & (1<<tagBits - 1) }

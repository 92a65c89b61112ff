package clock

import (
	"cmp"
	"runtime"
	"time"
	"unsafe"

	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	"github.com/gosmr/gosmr/pcpu"
)

// A Clock is a sequence clock with its readers' records. Call [Clock.Init] first, and do not copy
// the Clock after that. Any number of goroutines may call its methods at once.
type Clock struct {
	entryLine
	_ [pcpu.Stride - unsafe.Sizeof(entryLine{})%pcpu.Stride]byte

	// rd is a moment that every reader has reached: no section entered before it is open. Pollers
	// and the driver move it forward by compare-and-swap. Any goroutine loads it (acquire): what a
	// section did happens before a load that finds rd past the section's moment.
	rd satomic.Uint64

	// owned lists the Owned records, and quiescent the Quiescent ones. New ones are pushed by
	// compare-and-swap. The record of a closed reader stays, for reuse.
	owned, quiescent registered

	// asked is the goal for which Quiescent readers were asked last: a hint, for Record.Awaited.
	// Stored by waiters and the driver before they ask, loaded by the owners.
	asked satomic.Uint64

	// Constant after Init.
	opts     Options
	start    Seq
	parallel bool // a reader may be running while a waiter spins

	driver   driver
	sampling sampling

	scans satomic.Uint64 // for Counters
}

// entryLine is what each entry reads, padded to a line that is seldom written.
type entryLine struct {
	// wr is the current moment. Advance and tellOwned (atomic add) and Commit (compare-and-swap) move
	// it. All are full fences: a reader that enters at the new moment sees what the advancing goroutine
	// unlinked before. Each entry loads it (acquire).
	wr    satomic.Uint64
	slots pcpu.Slots[slot]
	// exceptions sends the entry of each section whose generation, as 32 bits, is below it to
	// Clock.tryFinish: none if it is 0, some where stacks are sampled (see sample.go), all if it is
	// everyEntry or has a flag set. Init sets exceptFenced, and SampleSections a bound; Seal sets
	// exceptSealed before it seals the slots. Each entry loads it after storing its record; one on
	// an Owned record only if wr has moved, as it has after exceptions: see Clock.tellOwned.
	exceptions satomic.Uint32
}

const (
	everyEntry = ^uint32(genBits) | genFenced // above each entry's generation, pinned or not
	fencedFlag = genPinned
	sealedFlag = genQuiescent

	exceptFenced = everyEntry | fencedFlag // readers fence for themselves: the kernel has no membarrier
	exceptSealed = everyEntry | sealedFlag // Seal was called
)

// fenced reports whether this clock's readers fence for themselves. Where relacq stores are
// sequentially consistent, they need no fence and never do.
func (c *Clock) fenced() bool { return relacq.Plain && c.exceptions.Load()&fencedFlag != 0 }

// Options change how a Clock behaves. The zero Options is valid.
type Options struct {
	// Name names the clock in panics.
	Name string

	// StallAfter is the age at which a grace period is first reported to OnStall. It is reported
	// again each time its age has doubled. 0 means never.
	StallAfter time.Duration

	// OnStall is called on the goroutine that all parked waits depend on: it must not block, nor
	// wait on this clock. A panic in it ends the program; runtime.Goexit ends only that goroutine,
	// which another replaces.
	OnStall func(Stall)

	// SampleSections is what [Clock.SampleSections] is called with at first.
	SampleSections int

	// Fenced makes readers fence for themselves even where the kernel has membarrier. For tests.
	Fenced bool

	// Start, if not 0, is the clock's first moment, without its tag. For tests of wrap arithmetic;
	// see also -tags smr_wrap.
	Start Seq
}

// Init makes the clock ready for use.
func (c *Clock) Init(o Options) {
	c.opts = o
	if relacq.Plain && (o.Fenced || !membarrier.Available()) {
		c.exceptions.Store(exceptFenced)
	}
	if o.SampleSections > 0 {
		c.SampleSections(o.SampleSections)
	}
	c.start = cmp.Or(o.Start, firstSeq)&^(increment-1) | nextTag()
	c.parallel = runtime.NumCPU() > 1
	c.wr.Store(uint64(c.start))
	c.rd.Store(uint64(c.start))
	c.slots.Init(c.newSlot)
	c.driver.wake = make(chan struct{}, 1)
}

// Now returns the current moment.
func (c *Clock) Now() Seq { return Seq(c.wr.Load()) }

// Reached returns the latest moment that every reader is known to have reached. It does not scan.
func (c *Clock) Reached() Seq { return Seq(c.rd.Load()) }

// maxLead is how far wr may run ahead of rd: half the range of signed comparison. Getting there
// takes hours of advances while one section stays open. Then Advance and Commit leave wr where it
// is, goals stay uncommitted, and waiters wait. FreeBSD blocks in advance instead.
const maxLead = 1 << 62

// tooFarAhead reports whether wr must stay until rd moves. It loads rd first: a later rd could be
// ahead of the wr that it is compared with.
func (c *Clock) tooFarAhead() bool {
	rd := c.rd.Load()
	return c.wr.Load()-rd >= maxLead
}

// Advance moves the clock to a new moment and returns it as a goal. Once [Clock.Poll] reports the
// goal reached, no reader holds what the caller unlinked before Advance. When a section has been
// open for 2^42 advances, the goal is a deferred one, which Wait commits and Poll does not.
//
// Cost: one atomic add on a word that every entry reads.
func (c *Clock) Advance() Seq {
	if c.tooFarAhead() {
		return c.DeferredAdvance()
	}
	return Seq(c.wr.Add(uint64(increment)))
}

// DeferredAdvance returns a goal as Advance does, without moving the clock. The goal can be reached
// once it is committed: by [Clock.Commit], by Wait, or by the next Advance of any goroutine. So
// many goals share one advance.
//
// Cost: a fence, and no write to the line that each entry reads.
//
// The fence makes the caller's unlinking visible before wr is loaded. It pairs with the fence in
// Advance and Commit: a reader that entered at the goal loaded a wr that was advanced after this
// load, and so after the unlinking.
func (c *Clock) DeferredAdvance() Seq {
	relacq.Fence()
	return Seq(c.wr.Load()) + increment
}

// Commit moves the clock to goal, a result of DeferredAdvance, unless it is there or further
// already, or so far ahead of a section as [Clock.Advance] says. Any other Seq has no effect.
func (c *Clock) Commit(goal Seq) {
	prev := goal - increment
	if Seq(c.wr.Load()) == prev && !c.tooFarAhead() {
		c.wr.CompareAndSwap(uint64(prev), uint64(goal))
	}
}

// issued reports whether Advance or DeferredAdvance may have returned goal.
func (c *Clock) issued(goal Seq) bool {
	wr := c.Now()
	own := (goal-wr)&(increment-1) == 0
	future := (wr + increment).Before(goal)
	return goal != 0 && own && !future
}

// reached is Poll without a scan, for an issued goal.
func (c *Clock) reached(goal Seq) bool { return !Seq(c.rd.Load()).Before(goal) }

// Poll reports whether every reader has reached goal. It never blocks. It reports false for a goal
// that is not committed or that this clock never issued. A goal that was reached stays reached.
//
// Cost: two loads if the goal is known to be reached; else a load of each record and, if there are
// readers that do not fence for themselves, a heavy fence.
func (c *Clock) Poll(goal Seq) bool {
	reached, _ := c.poll(goal)
	return reached
}

// poll is Poll. If it scanned and the goal is not reached, it also returns what holds the goal
// back, if anything does.
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
	return c.seek(goal, c.snapshot())
}

// seek is poll without the checks: it scans, and kicks the driver if that moved rd. The driver
// itself calls scan.
func (c *Clock) seek(goal Seq, snap snapshot) (reached bool, o obstacle) {
	before := c.Reached()
	o = c.scan(goal, snap)
	c.kickIfMoved(before)
	return c.reached(goal), o
}

// Counters returns how often the clock has advanced, modulo a wrap, and how often its records were
// scanned.
func (c *Clock) Counters() (advances, scans uint64) {
	return uint64((c.Now() - c.start) / increment), c.scans.Load()
}

// Tag returns the bits that all Seqs of this clock share and no other clock's have.
func (c *Clock) Tag() uint64 { return c.Now().Tag() }

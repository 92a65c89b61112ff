package clock

import (
	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
)

// heavyFence is the pollers' half of the asymmetric fence. It pairs with the
// store of seq on entry (Record.claim, Enter, Online, Quiesce), with the store
// of seq on leaving (Record.Leave, Offline) and with the fence in
// Record.fence.
//
// Where relacq stores are sequentially consistent it is nothing; where readers
// fence for themselves it is a fence of this goroutine's own; else it is a
// fence on every processor.
func (c *Clock) heavyFence() {
	switch {
	case !relacq.Plain:
	case c.fenced():
		relacq.Fence()
	default:
		membarrier.Barrier()
	}
}

// An obstacle is a record that holds back a goal.
type obstacle struct {
	rec  *Record
	word uint64 // what its seq was
}

// A snapshot is what a scan knows before it looks at the records.
type snapshot struct{ rd, wr Seq }

// snapshot begins a scan. wr, which is the most that rd can become, is read
// before the fence: a section whose entry is not visible after the fence has
// yet to load its first protected pointer, and will find unlinked whatever was
// unlinked before any moment up to this wr. It holds back nothing. Without the
// fence, the entry could sit in a store buffer while the reader already follows
// a pointer that is about to be freed.
func (c *Clock) snapshot() snapshot {
	s := snapshot{rd: Seq(c.rd.Load()), wr: Seq(c.wr.Load())}
	c.heavyFence()
	return s
}

// scan moves rd as far as the records allow, and returns the oldest record
// that holds back goal, if any does.
func (c *Clock) scan(goal Seq) obstacle {
	c.scans.Add(1)
	return c.look(goal, c.snapshot())
}

// look is the scan after its snapshot. The lists of records are read here, after
// the fence, so that a record published before it is seen.
func (c *Clock) look(goal Seq, snap snapshot) obstacle {
	oldest := snap.wr
	var found obstacle
	each := func(r *Record) {
		word := r.seq.Load()
		at, active := c.position(word, snap)
		if !active {
			return
		}
		if at.Before(goal) && (found.rec == nil || at.Before(oldest)) {
			found = obstacle{r, word}
		}
		if at.Before(oldest) {
			oldest = at
		}
	}
	c.eachRecord(each)
	c.raise(oldest)
	return found
}

// Passed reports whether every reader has reached goal, as [Clock.Poll] does, and
// leaves the clock as it is: it moves rd nowhere and wakes no waiter. So a
// goroutine outside the clock's testing/synctest bubble may call it, such as one
// that runs cleanups. It reports false for a goal that is not committed.
//
// Cost: that of Poll, each time.
func (c *Clock) Passed(goal Seq) bool {
	if !c.issued(goal) {
		return false
	}
	if c.reached(goal) {
		return true
	}
	snap := c.snapshot()
	if snap.wr.Before(goal) {
		return false
	}
	passed := true
	c.eachRecord(func(r *Record) {
		if at, active := c.position(r.seq.Load(), snap); active && at.Before(goal) {
			passed = false
		}
	})
	return passed
}

// eachRecord calls fn for every record.
func (c *Clock) eachRecord(fn func(*Record)) {
	for _, sl := range c.slots.All() {
		for r := sl.all.Load(); r != nil; r = r.next {
			fn(r)
		}
	}
	for r := c.owned.Load(); r != nil; r = r.next {
		fn(r)
	}
}

// position returns the moment that a record's word stands for, given a snapshot
// taken before it was read.
//
// A word between rd and wr stands for itself. Any other is clamped:
//
//   - One behind rd belongs to a reader that was delayed between loading wr and
//     storing it. The scan that moved rd past it did not see it, so it loads its
//     first pointer after that scan's fence: it has reached rd.
//   - One ahead of wr belongs to a reader that entered after wr was read. It
//     holds back nothing up to wr.
//
// Behind by more than half the range looks like ahead, so "ahead" is believed
// only up to wr as it is now; the rest counts as rd, the safe side.
func (c *Clock) position(word uint64, snap snapshot) (at Seq, active bool) {
	rd, wr := snap.rd, snap.wr
	at = Seq(word &^ pinnedBit)
	switch {
	case at == 0:
		return 0, false
	case at-rd <= wr-rd:
		return at, true
	case at-rd <= Seq(c.wr.Load())-rd:
		return wr, true
	default:
		return rd, true
	}
}

// raise moves rd forward to seq, unless it is there or further.
func (c *Clock) raise(seq Seq) {
	for {
		rd := c.rd.Load()
		if !Seq(rd).Before(seq) {
			return
		}
		if c.rd.CompareAndSwap(rd, uint64(seq)) {
			return
		}
	}
}

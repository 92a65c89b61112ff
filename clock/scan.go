package clock

import (
	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
)

// heavyFence is the pollers' half of the asymmetric fence. It pairs with the stores to seq on entry
// (Record.claim, Enter) and on leaving (Record.Leave). It is a fence on every processor: an
// interrupt to each of them, which takes 2 to 20 µs on virtual machines.
//
// It is nothing where all readers fence for themselves: on a fenced clock (tryFinish, leaveRare),
// where relacq stores are sequentially consistent, and while all records are Quiescent (Online,
// Quiesce, Offline). It would order what pollers have stored, and all of that is ordered: a goal is
// taken by a full fence after the unlinking (Advance, DeferredAdvance), and Seal and arm store by
// atomic instructions.
func (c *Clock) heavyFence() {
	if relacq.Plain && !c.fenced() && c.unfencedReaders() {
		membarrier.Barrier()
	}
}

// unfencedReaders reports whether there are records of readers that do not fence for themselves.
// One that is published later, by a compare-and-swap, is entered after that: its reader's first
// protected load comes after the loads here, as it would come after the heavy fence.
func (c *Clock) unfencedReaders() bool {
	return len(c.slots.All()) > 0 || c.owned.Load() != nil
}

// An obstacle is a record that holds back a goal.
type obstacle struct {
	rec  *Record
	word uint64   // what its seq was
	snap snapshot // of the scan that found it
}

// A snapshot is what a scan loads before it reads the records.
type snapshot struct{ rd, wr Seq }

// snapshot begins a scan. It loads wr, the furthest that the scan can move rd, before the fence. A
// section whose entry is not visible after the fence loads its first protected pointer after it,
// finds unlinked what was unlinked before this wr, and so holds nothing back. The package doc shows
// what happens without the fence.
func (c *Clock) snapshot() snapshot {
	s := snapshot{rd: Seq(c.rd.Load()), wr: Seq(c.wr.Load())}
	c.heavyFence()
	return s
}

// covering returns snap if a scan from it can reach goal, else a new snapshot. So a wait fences once,
// however often it scans. A snapshot stays good: a section that a later scan from it does not find
// was entered after its fence, and holds nothing back up to its wr.
func (c *Clock) covering(goal Seq, snap snapshot) snapshot {
	if snap.wr == 0 || snap.wr.Before(goal) {
		return c.snapshot()
	}
	return snap
}

// scan moves rd as far as the records and the snapshot allow, and returns the oldest record that
// holds back goal, if there is one. Unlike seek it does not kick the driver.
func (c *Clock) scan(goal Seq, snap snapshot) obstacle {
	c.scans.Add(1)
	oldest, found := c.oldest(snap)
	c.raise(oldest)
	if !oldest.Before(goal) {
		return obstacle{}
	}
	return found
}

// oldest returns the latest moment up to snap.wr that every reader has reached, and the record that
// holds back a later one, if there is one. It reads the lists of records after the snapshot's
// fence, and so sees each record that was published before and is not retired. It may make a slot
// shrink.
func (c *Clock) oldest(snap snapshot) (oldest Seq, found obstacle) {
	oldest = snap.wr
	look := func(r *Record) (active bool) {
		word := r.seq.Load()
		at, active := c.position(word, snap)
		if active && at.Before(oldest) {
			oldest, found = at, obstacle{r, word, snap}
		}
		return active
	}
	for _, sl := range c.slots.All() {
		records, active := 0, 0
		for r := sl.all.Load(); r != nil; r = r.next.Load() {
			records++
			if look(r) {
				active++
			}
		}
		c.walked(sl, records, active)
	}
	c.eachRegistered(func(r *Record) { look(r) })
	return oldest, found
}

// Passed is [Clock.Poll] without its effects: it neither moves the clock's reached moment nor wakes
// waiters. So a goroutine outside the clock's testing/synctest bubble may call it, such as one that
// runs cleanups.
//
// Cost: that of Poll, also when it is called again for the same goal.
func (c *Clock) Passed(goal Seq) bool {
	if !c.issued(goal) {
		return false
	}
	if c.reached(goal) {
		return true
	}
	oldest, _ := c.oldest(c.snapshot())
	return !oldest.Before(goal)
}

// eachRecord calls fn for each record.
func (c *Clock) eachRecord(fn func(*Record)) {
	for _, sl := range c.slots.All() {
		for r := sl.all.Load(); r != nil; r = r.next.Load() {
			fn(r)
		}
	}
	c.eachRegistered(fn)
}

// eachRegistered calls fn for each registered record.
func (c *Clock) eachRegistered(fn func(*Record)) {
	for _, list := range [...]*registered{&c.owned, &c.quiescent} {
		for r := list.Load(); r != nil; r = r.next.Load() {
			fn(r)
		}
	}
}

// position returns the moment that a record's word stands for, given a snapshot that was taken
// before the word was loaded. active is false for an idle record.
//
// A word between rd and wr stands for itself. Any other is clamped:
//
//   - A word behind rd belongs to a reader that was delayed between loading wr and storing it. The
//     scan that moved rd past it did not see it, so the reader loads its first pointer after that
//     scan's fence, and has reached rd.
//   - A word ahead of wr belongs to a reader that entered after wr was loaded. It holds back
//     nothing up to wr.
//
// A word more than half the range behind compares as ahead. So a word counts as ahead only up to
// the current wr; any other counts as rd, the safe side.
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

// raise moves rd forward to seq, unless it is there or further already.
func (c *Clock) raise(seq Seq) {
	for {
		rd := c.rd.Load()
		if !Seq(rd).Before(seq) || c.rd.CompareAndSwap(rd, uint64(seq)) {
			return
		}
	}
}

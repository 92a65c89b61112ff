package clock

import "time"

// A Stall reports a grace period that takes longer than [Options.StallAfter].
type Stall struct {
	Goal    Seq           // the oldest that a parked wait is for
	Age     time.Duration // since a wait first parked with Reached where it is
	Readers []Blocker     // those that hold Goal back; none if they have just left
}

// A Blocker is a reader that holds back a grace period.
type Blocker struct {
	Record    *Record
	Kind      Kind
	Processor int // where the section was entered; -1 for a registered reader

	// Oldest: no reader entered earlier, so this one has been in its section for at least the
	// stall's age. The others may have entered later.
	Oldest bool
}

// maxAge is the greatest age at which a stall is reported. Only the time of a testing/synctest
// bubble gets there: with no timer left, a deadlock in the bubble shows as one.
const maxAge = 1 << 61 * time.Nanosecond

// stallTime returns the time until the driver, which is about to sleep, must report the grace
// period as stalled. ok is false if it never must.
func (c *Clock) stallTime() (left time.Duration, ok bool) {
	if c.opts.StallAfter <= 0 || c.opts.OnStall == nil {
		return 0, false
	}
	d := &c.driver
	if rd := c.Reached(); d.stuckAt != rd {
		d.stuckAt, d.stuckSince, d.reportIn = rd, time.Now(), c.opts.StallAfter
	}
	if d.reportIn > maxAge {
		return 0, false
	}
	return time.Until(d.stuckSince.Add(d.reportIn)), true
}

// reportStall reports a stall, and doubles the age of the next report.
func (c *Clock) reportStall(goal Seq) {
	d := &c.driver
	if c.Reached() != d.stuckAt {
		return // no longer stalled
	}
	age := time.Since(d.stuckSince)
	for d.reportIn <= age { // more than once if no wait was parked for a while
		d.reportIn *= 2
	}
	c.opts.OnStall(Stall{Goal: goal, Age: age, Readers: c.Blocking(goal)})
}

// Blocking returns the readers that hold back goal now. It may list or miss a reader that enters or
// leaves meanwhile.
func (c *Clock) Blocking(goal Seq) []Blocker {
	snap := snapshot{c.Reached(), c.Now()}
	var found []Blocker
	c.eachRecord(func(r *Record) {
		word := r.seq.Load()
		at, active := c.position(word, snap)
		if !active || !at.Before(goal) {
			return
		}
		kind := r.kind
		if word&pinnedBit != 0 {
			kind = Pinned
		}
		found = append(found, Blocker{r, kind, int(r.cpu), at == snap.rd})
	})
	return found
}

// Census counts the open sections, and all records.
func (c *Clock) Census() (sections, records int) {
	c.eachRecord(func(r *Record) {
		records++
		if r.open() {
			sections++
		}
	})
	return sections, records
}

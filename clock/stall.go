package clock

import "time"

// A Stall reports a grace period that takes longer than [Options.StallAfter].
type Stall struct {
	Goal    Seq           // the oldest one that a parked wait is for
	Age     time.Duration // since the first wait parked after which Reached did not move
	Readers []Blocker     // those that hold it back; none if they have just left
}

// A Blocker is a reader that holds back a grace period.
type Blocker struct {
	Record    *Record
	Kind      Kind
	Processor int // where the section was entered; -1 for a registered reader

	// Oldest: no reader entered earlier. So this one has been in its section for at
	// least the stall's age. The others may have entered later.
	Oldest bool
}

// maxAge is the age at which stalls are reported no more. Only the clock of a testing/synctest
// bubble gets there, where a deadlock then shows as one.
const maxAge = 1 << 61 * time.Nanosecond

// stallTime returns the time until the grace period is to be reported as stalled. ok is
// false if it never is. It is called by the driver, before it sleeps.
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

// reportStall reports a stall, and sets the age of the next report to twice its age.
func (c *Clock) reportStall(goal Seq) {
	d := &c.driver
	if c.Reached() != d.stuckAt {
		return // it went on a moment ago
	}
	age := time.Since(d.stuckSince)
	for d.reportIn <= age { // more than once if nothing waited for a while
		d.reportIn *= 2
	}
	c.opts.OnStall(Stall{
		Goal:    goal,
		Age:     age,
		Readers: c.Blocking(goal),
	})
}

// Blocking returns the readers that hold back goal now. A reader that enters or leaves
// meanwhile may be listed or not.
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

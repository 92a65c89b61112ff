package clock

import "time"

// A Stall is a grace period that takes long.
type Stall struct {
	Goal    Seq           // what the waiter waits for
	Age     time.Duration // since a waiter first parked with no progress made after
	Readers []Blocking    // the readers that hold it back; none if they just left
}

// Blocking is a reader that holds back a grace period.
type Blocking struct {
	Record    *Record
	Kind      Kind
	Processor int // where a section was entered; -1 for a registered reader

	// Oldest: no reader entered earlier, and so this one has been in its
	// section for at least the stall's age. Others may have entered since.
	Oldest bool
}

// stallTime returns how long from now the grace period counts as stalled.
func (c *Clock) stallTime() (time.Duration, bool) {
	if c.opts.StallAfter <= 0 || c.opts.OnStall == nil {
		return 0, false
	}
	d := &c.driver
	if rd := c.Reached(); d.stuckAt != rd {
		d.stuckAt, d.stuckSince, d.reportIn = rd, time.Now(), c.opts.StallAfter
	}
	return time.Until(d.stuckSince.Add(d.reportIn)), true
}

// reportStall reports a stall, and arranges for the next report to come when
// the stall is twice as old.
func (c *Clock) reportStall(goal Seq) {
	d := &c.driver
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

// Blocking returns the readers that hold back goal now. Those that come and go
// meanwhile may be listed or not.
func (c *Clock) Blocking(goal Seq) []Blocking {
	snap := snapshot{c.Reached(), c.Now()}
	var found []Blocking
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
		found = append(found, Blocking{r, kind, int(r.cpu), at == snap.rd})
	})
	return found
}

// Census counts the sections that are open and the records there are.
func (c *Clock) Census() (sections, records int) {
	c.eachRecord(func(r *Record) {
		records++
		if r.open() {
			sections++
		}
	})
	return sections, records
}

package clock

import "time"

// A Stall is a grace period that takes long.
type Stall struct {
	Goal    Seq           // what the waiter waits for
	Age     time.Duration // how long a waiter has been parked for it
	Readers []Blocking    // the readers that hold it back; none if they just left
}

// Blocking is a reader that holds back a grace period. It has been in its
// section for at least the stall's age.
type Blocking struct {
	Record    *Record
	Kind      Kind
	Processor int // where a section was entered; -1 for a registered reader
}

// stallTime returns how long from now the grace period counts as stalled.
func (c *Clock) stallTime() (time.Duration, bool) {
	if c.opts.StallAfter <= 0 || c.opts.OnStall == nil {
		return 0, false
	}
	q := &c.wait
	if rd := c.Reached(); q.stuckAt != rd {
		q.stuckAt, q.stuckSince, q.reportIn = rd, time.Now(), c.opts.StallAfter
	}
	return time.Until(q.stuckSince.Add(q.reportIn)), true
}

// reportStall reports a stall, and arranges for the next report to come when
// the stall is twice as old.
func (c *Clock) reportStall(goal Seq) {
	q := &c.wait
	q.reportIn *= 2
	c.opts.OnStall(Stall{
		Goal:    goal,
		Age:     time.Since(q.stuckSince),
		Readers: c.Blocking(goal),
	})
}

// Blocking returns the readers that hold back goal now. Those that come and go
// meanwhile may be listed or not.
func (c *Clock) Blocking(goal Seq) []Blocking {
	var found []Blocking
	look := func(r *Record, processor int) {
		word := r.seq.Load()
		at, active := c.position(word, c.Reached(), c.Now())
		if !active || !at.Before(goal) {
			return
		}
		kind := r.kind
		if word&pinnedBit != 0 {
			kind = Pinned
		}
		found = append(found, Blocking{r, kind, processor})
	}
	for _, sl := range c.slots.All() {
		for r := sl.all.Load(); r != nil; r = r.next {
			look(r, int(sl.id))
		}
	}
	for r := c.owned.Load(); r != nil; r = r.next {
		look(r, -1)
	}
	return found
}

// Census counts the sections that are open and the records there are.
func (c *Clock) Census() (sections, records int) {
	look := func(r *Record) {
		records++
		if r.seq.Load()&^pinnedBit != 0 {
			sections++
		}
	}
	for _, sl := range c.slots.All() {
		for r := sl.all.Load(); r != nil; r = r.next {
			look(r)
		}
	}
	for r := c.owned.Load(); r != nil; r = r.next {
		look(r)
	}
	return sections, records
}

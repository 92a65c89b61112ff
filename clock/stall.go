package clock

import (
	"cmp"
	"slices"
	"time"
)

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

	// Sample is the section's entry; nil if it was not sampled.
	Sample *Sample

	// The section is at least this old; 0 if that is unknown. It is known of one that was sampled, and
	// of those that were entered before all others, while a wait is parked.
	Age time.Duration

	moment Seq // that it has reached
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
		d.mu.Lock()
		d.stuckAt, d.stuckSince = rd, time.Now()
		d.mu.Unlock()
		d.reportIn = c.opts.StallAfter
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

// stuckFor returns for how long, at least, the reached moment has been rd; 0 if no driver slept
// meanwhile.
func (c *Clock) stuckFor(rd Seq) time.Duration {
	d := &c.driver
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.stuckAt != rd {
		return 0
	}
	return time.Since(d.stuckSince)
}

// Blocking returns the readers that hold back goal now, those that entered first before the others.
// It may list or miss a reader that enters or leaves meanwhile.
func (c *Clock) Blocking(goal Seq) []Blocker {
	snap := snapshot{c.Reached(), c.Now()}
	stuck := c.stuckFor(snap.rd)
	var found []Blocker
	c.eachRecord(func(r *Record) {
		gen := r.gen.Load() // first, and sampleOf loads it again: in between, seq is that section's
		word := r.seq.Load()
		at, active := c.position(word, snap)
		if !active || !at.Before(goal) {
			return
		}
		b := Blocker{Record: r, Kind: r.Kind(), Processor: max(int(r.cpu), -1), Sample: r.sampleOf(gen), moment: at}
		if word&pinnedBit != 0 {
			b.Kind = Pinned
		}
		if at == snap.rd {
			b.Age = stuck
		}
		if b.Sample != nil {
			b.Age = max(b.Age, time.Since(b.Sample.Entered))
		}
		found = append(found, b)
	})
	slices.SortStableFunc(found, func(a, b Blocker) int { return cmp.Compare(a.moment-snap.rd, b.moment-snap.rd) })
	return found
}

// HoldsBack reports whether the reader holds back goal, if it is still in its section.
func (b Blocker) HoldsBack(goal Seq) bool { return b.moment.Before(goal) }

// Parked returns the oldest goal that a wait is parked for, 0 if none is, and for how long, at least,
// waits have been parked with Reached where it is; 0 if no driver slept meanwhile.
func (c *Clock) Parked() (goal Seq, age time.Duration) {
	d := &c.driver
	d.mu.Lock()
	for _, w := range d.waiters {
		if goal == 0 || w.goal.Before(goal) {
			goal = w.goal
		}
	}
	d.mu.Unlock()
	if goal == 0 {
		return 0, 0
	}
	return goal, c.stuckFor(c.Reached())
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

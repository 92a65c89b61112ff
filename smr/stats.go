package smr

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gosmr/gosmr/clock"
)

// Stats is a snapshot of a domain. Its counters grow, from New on.
type Stats struct {
	Name string

	Calls        uint64 // deferred calls made
	Callbacks    uint64 // deferred calls done: callbacks returned, by whole chunks
	PendingCalls int64  // the difference
	PendingBytes int64  // their sizes, summed

	Sections int // open now; registered readers' included
	Records  int // readers' records, in use or not: what a scan looks at
	Workers  int // goroutines that run callbacks now

	Advances uint64 // moments the clock has moved
	Scans    uint64 // looks at all records, each with a heavy fence
	Stalls   uint64 // stall reports
}

// Stats returns a snapshot. What changes meanwhile is in it or not, except that
// nothing pending is missed. Cost: a look at every processor and record.
func (d *Domain) Stats() Stats {
	r := &d.reclaim
	// What is done is read first, so that a call that ends meanwhile counts as
	// pending rather than as less than nothing.
	freed := r.freed.Load()
	st := Stats{
		Name:         d.opts.Name,
		PendingBytes: d.pendingBytes(),
		Calls:        r.alone.called.Load(),
		Callbacks:    freed,
		Workers:      int(r.nWorkers.Load()),
		Stalls:       d.stalls.Load(),
	}
	for _, sl := range d.calls.All() {
		st.Calls += sl.called.Load()
	}
	st.PendingCalls = int64(st.Calls - freed)
	st.Advances, st.Scans = d.clk.Counters()
	st.Sections, st.Records = d.clk.Census()
	return st
}

// pendingBytes returns how many bytes wait to be freed: never less than do.
func (d *Domain) pendingBytes() int64 {
	freed := d.reclaim.freedBytes.Load()
	called := d.reclaim.alone.calledBytes.Load()
	for _, sl := range d.calls.All() {
		called += sl.calledBytes.Load()
	}
	return int64(called - freed)
}

// A Stall is a report of a grace period that takes longer than
// [Options.StallAfter]: some reader stays in its section, and what was unlinked
// since it entered piles up. Nothing is lost by it, and reclamation goes on by
// itself once the reader leaves.
type Stall struct {
	Domain       string
	Goal         Seq           // the moment that is not reached
	Age          time.Duration // since a waiter first parked, with no progress after
	PendingCalls int64
	PendingBytes int64 // what it holds back, and what came after
	Readers      []StalledReader
}

// A StalledReader is a reader that a grace period waits for.
type StalledReader struct {
	Kind      clock.Kind
	Processor int           // where its section was entered; -1 for a registered reader
	Age       time.Duration // how long it has been in its section, at the least; 0 if not known
	Stack     string        // what entered it; only under -tags invariants

	// Leaked: the Section was dropped without Leave, and no goroutine can leave
	// it any more. Found only under -tags invariants, by the collector.
	Leaked bool
}

func (s Stall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "smr: domain %s: grace period %#x not over after %v, %d calls (%d bytes) pending",
		s.Domain, uint64(s.Goal), s.Age.Round(time.Millisecond), s.PendingCalls, s.PendingBytes)
	for _, r := range s.Readers {
		fmt.Fprintf(&b, "; waits for a %v", r.Kind)
		if r.Processor >= 0 {
			fmt.Fprintf(&b, " entered on processor %d", r.Processor)
		}
		if r.Leaked {
			b.WriteString(", leaked")
		}
		if r.Age > 0 {
			fmt.Fprintf(&b, ", open for at least %v", r.Age.Round(time.Millisecond))
		}
		if r.Stack != "" {
			fmt.Fprintf(&b, ", entered at:\n%s", r.Stack)
		}
	}
	return b.String()
}

func logStall(s Stall) { slog.Warn(s.String()) }

// onStall completes the clock's report.
func (d *Domain) onStall(cs clock.Stall) {
	d.stalls.Add(1)
	st := d.newStall(cs.Goal, cs.Age)
	for _, b := range cs.Readers {
		sr := StalledReader{Kind: b.Kind, Processor: b.Processor}
		if b.Oldest {
			sr.Age = cs.Age
		}
		d.describe(b.Record, &sr)
		st.Readers = append(st.Readers, sr)
	}
	d.opts.OnStall(st)
}

func (d *Domain) newStall(goal Seq, age time.Duration) Stall {
	stats := d.Stats()
	return Stall{
		Domain:       d.opts.Name,
		Goal:         goal,
		Age:          age,
		PendingCalls: stats.PendingCalls,
		PendingBytes: stats.PendingBytes,
	}
}

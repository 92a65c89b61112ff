package smr

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/sched"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

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

// onStall completes the clock's report. A goroutine calls it that waits for the grace
// period, perhaps one of the user's.
func (d *Domain) onStall(cs clock.Stall) {
	st := d.newStall(cs.Goal, cs.Age)
	for _, b := range cs.Readers {
		sr := StalledReader{Kind: b.Kind, Processor: b.Processor}
		if b.Oldest {
			sr.Age = cs.Age
		}
		d.describe(b.Record, &sr)
		st.Readers = append(st.Readers, sr)
	}
	d.report(st)
}

// reports are the stalls and leaks that Options.OnStall has yet to receive. They are
// found by goroutines that must go on (one that waits for a grace period leads all that
// do; the collector runs all cleanups on one), so OnStall has a goroutine of its own. It
// exists while there is something to report.
type reports struct {
	mu      ssync.Mutex // guards all below
	waiting []Stall
	over    chan struct{} // closed when the goroutine ends; nil while there is none
}

// maxReports bounds how many reports wait for an OnStall that does not return. Later
// ones are only counted.
const maxReports = 16

// report has OnStall called. It does not wait for that.
func (d *Domain) report(st Stall) {
	d.stalls.Add(1)
	q := &d.reports
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) < maxReports {
		q.waiting = append(q.waiting, st)
	}
	if q.over == nil {
		q.over = make(chan struct{})
		sched.Go(d.runReports)
	}
}

// runReports calls OnStall with one report after the other.
func (d *Domain) runReports() {
	returned := false
	defer func() {
		if !returned { // OnStall ended the goroutine, as testing's FailNow does
			sched.Go(d.runReports)
		}
	}()
	for st, ok := d.reports.next(); ok; st, ok = d.reports.next() {
		d.opts.OnStall(st)
	}
	returned = true
}

// next takes the oldest report. If there is none, the goroutine that asks is over.
func (q *reports) next() (st Stall, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting = nil
		sched.Wakes()
		close(q.over)
		q.over = nil
		return Stall{}, false
	}
	st = q.waiting[0]
	q.waiting = q.waiting[1:]
	return st, true
}

// wait waits until OnStall has received, and returned from, what is to be reported.
func (q *reports) wait(ctx context.Context) error {
	q.mu.Lock()
	over := q.over
	q.mu.Unlock()
	if over == nil {
		return nil
	}
	select {
	case <-over:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("OnStall has not returned: %w", ctx.Err())
	}
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

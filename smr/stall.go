package smr

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/sched"
	satomic "github.com/gosmr/gosmr/internal/sched/atomic"
	ssync "github.com/gosmr/gosmr/internal/sched/sync"
)

// A Stall reports a grace period that takes longer than [Options.StallAfter]: a reader stays in its
// section, and retired memory piles up. Nothing is lost: reclamation continues once the reader
// leaves.
type Stall struct {
	Domain       string
	Goal         Seq           // the goal that is not reached
	Age          time.Duration // since a waiter first parked without progress
	PendingCalls int64         // all of the domain's
	PendingBytes int64
	HeldCalls    int64 // of these, the calls that only wait for the Release of a hold: see Stats
	HeldBytes    int64
	HeldFor      time.Duration
	Readers      []StalledReader

	// LeakedHold is not a stall: it is the stack that took a Held that was dropped without Release.
	// The collector finds this, under -tags invariants only.
	LeakedHold string
}

// A StalledReader is a reader that a grace period waits for.
type StalledReader struct {
	Name      string // what its owner says that it is: see Quiescent.Describe; or ""
	Kind      clock.Kind
	Processor int // where it entered its section; -1 for a registered reader

	// The section is at least this old; 0 if unknown. It is too high for a Reader that was preempted
	// within Enter, after it had stored the moment of its previous section.
	Age time.Duration

	// Stack is that of the Enter, if it was sampled (see Options.SampleSections), and under -tags
	// invariants.
	Stack string

	// Labels are the labels of runtime/pprof that the goroutine had at the Enter, as a stack trace
	// writes them. Only under -tags invariants, and only where Go tells them: from Go 1.27 on, and
	// in Go 1.26 with GODEBUG=tracebacklabels=1.
	Labels string

	// Leaked: the Section was dropped without Leave, so no goroutine can leave it. The collector
	// finds this, under -tags invariants only.
	Leaked bool

	name   func() string // returns Name, or nil
	sample *clock.Sample // has Stack, or nil
	pcs    []uintptr
}

// Callers returns the program counters of Stack, for [runtime.CallersFrames].
func (r StalledReader) Callers() []uintptr { return r.pcs }

// String describes the stall and its readers.
func (s Stall) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "smr: domain %s: ", s.Domain)
	pending := pending(s.PendingCalls, s.PendingBytes)
	if s.LeakedHold != "" {
		fmt.Fprintf(&b, "a Held was dropped without Release, and its object is never freed: %s; it was held at:\n%s", pending, s.LeakedHold)
		return b.String()
	}
	if s.leak() {
		fmt.Fprintf(&b, "a section was dropped without Leave, and no later grace period ends: %s; it is %v", pending, s.Readers[0])
		return b.String()
	}
	fmt.Fprintf(&b, "grace period %#x not over after %v, %s", uint64(s.Goal), s.Age.Round(time.Millisecond), pending)
	if s.HeldCalls > 0 {
		b.WriteString(", of which " + howHeld(s.HeldCalls, s.HeldBytes, s.HeldFor))
	}
	for _, r := range s.Readers {
		fmt.Fprintf(&b, "; waits for %v", r)
	}
	return b.String()
}

// leak reports whether s is about a section that the collector found, and not about a grace period.
func (s Stall) leak() bool { return s.Goal == 0 && len(s.Readers) == 1 && s.Readers[0].Leaked }

// String describes the reader. If its stack is known, that comes last, in lines of its own.
func (r StalledReader) String() string {
	var b strings.Builder
	b.WriteString(r.title())
	if r.Stack != "" {
		b.WriteString(", entered at:\n" + r.Stack)
	}
	return b.String()
}

// title describes the reader without its stack.
func (r StalledReader) title() string {
	var b strings.Builder
	b.WriteString(cmp.Or(r.Name, fmt.Sprint("a ", r.Kind)))
	if r.Processor >= 0 {
		fmt.Fprintf(&b, " entered on processor %d", r.Processor)
	}
	if r.Age > 0 {
		fmt.Fprintf(&b, ", open for at least %v", r.Age.Round(time.Millisecond))
	}
	if r.Labels != "" {
		fmt.Fprintf(&b, ", labels %s", r.Labels)
	}
	return b.String()
}

// pending says how much is pending.
func pending(calls, bytes int64) string {
	return fmt.Sprintf("%s (%s) pending", count(calls, "call"), count(bytes, "byte"))
}

// count returns n and the noun, as one says it.
func count[T int | int64](n T, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// logStall is the default Options.OnStall.
func logStall(s Stall) { slog.Warn(s.String()) }

// onStall completes the clock's report. The clock's driver calls it.
func (d *Domain) onStall(cs clock.Stall) {
	st := d.newStall(cs.Goal, cs.Age)
	for _, b := range cs.Readers {
		st.Readers = append(st.Readers, d.stalled(b))
	}
	d.report(st)
	d.stallEnds() // if the goal was reached meanwhile
}

// stalled returns the description of a reader, but for its name and its sampled stack.
func (d *Domain) stalled(b clock.Blocker) StalledReader {
	sr := StalledReader{Kind: b.Kind, Processor: b.Processor, Age: b.Age, sample: b.Sample}
	if b.Sample != nil {
		sr.pcs = b.Sample.Stack()
	}
	d.complete(&sr, b.Record)
	if b.Kind == clock.Quiescent {
		sr.name = d.descriptions.get(b.Record)
	}
	return sr
}

// reports holds the stalls and leaks that Options.OnStall has not received yet, and the ends of stalls
// for Events. OnStall must hold up neither the clock's driver nor the runtime's cleanups, which find
// them, so it runs in a separate goroutine, which exists while there is something to report.
type reports struct {
	mu      ssync.Mutex // guards all below, but for loads of stalled
	waiting []notice
	over    chan struct{} // closed when the goroutine ends; nil while there is none

	// stalled is the last goal that was reported since StallBegin, which stands for since; 0: StallEnd has
	// been called, or is waiting. Stored under mu. What loads it has found goals reached: so either that
	// one ends the stall, or onStall, which stores stalled before it looks again.
	stalled satomic.Uint64
	since   time.Time
}

// A notice is a report, or the end of a stall.
type notice struct {
	Stall
	begins, ends bool
}

// maxReports bounds the reports that wait while OnStall does not return. Others are only counted.
const maxReports = 16

// report queues st for OnStall, and does not wait.
func (d *Domain) report(st Stall) {
	d.stalls.Add(1)
	q := &d.reports
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) >= maxReports {
		return
	}
	n := notice{Stall: st}
	if last := Seq(q.stalled.Load()); st.Goal != 0 && !d.opts.silent {
		if n.begins = last == 0; n.begins {
			q.since = time.Now().Add(-st.Age)
		}
		if n.begins || last.Before(st.Goal) {
			q.stalled.Store(uint64(st.Goal))
		}
	}
	d.queueLocked(n)
}

// stallEnds queues the end of the stall, if it is over. It is called where goals are found reached.
func (d *Domain) stallEnds() {
	q := &d.reports
	goal := Seq(q.stalled.Load())
	if goal == 0 || d.clk.Reached().Before(goal) {
		return
	}
	st := d.newStall(goal, 0)
	q.mu.Lock()
	defer q.mu.Unlock()
	if Seq(q.stalled.Load()) == goal { // else another has told, or a report has a later goal
		q.stalled.Store(0)
		st.Age = time.Since(q.since)
		d.queueLocked(notice{Stall: st, ends: true})
	}
}

// queueLocked queues n, and starts the goroutine.
func (d *Domain) queueLocked(n notice) {
	q := &d.reports
	q.waiting = append(q.waiting, n)
	if q.over == nil {
		q.over = make(chan struct{})
		goUntilDone(func() {
			d.label()
			for n, ok := q.next(); ok; n, ok = q.next() {
				d.deliver(n)
			}
		})
	}
}

// deliver calls the functions that n is for.
func (d *Domain) deliver(n notice) {
	if n.ends {
		d.opts.Events.StallEnd(n.Stall)
		return
	}
	for i := range n.Readers {
		n.Readers[i].describe()
	}
	switch {
	case n.begins:
		d.opts.Events.StallBegin(n.Stall)
	case n.Goal == 0:
		d.opts.Events.Misuse(Misuse{n.Domain, n.String()})
	}
	d.opts.OnStall(n.Stall)
}

// next takes the oldest notice. If there is none, the calling goroutine must end.
func (q *reports) next() (n notice, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.waiting) == 0 {
		q.waiting = nil
		sched.Wakes()
		close(q.over)
		q.over = nil
		return notice{}, false
	}
	n = q.waiting[0]
	q.waiting = q.waiting[1:]
	return n, true
}

// wait waits until OnStall has received all reports and returned, or reports false if ctx ends first.
func (q *reports) wait(ctx context.Context) bool {
	over := q.running()
	if over == nil {
		return true
	}
	select {
	case <-over:
		return true
	case <-ctx.Done():
		return false
	}
}

// running returns a channel that is closed when the goroutine that calls OnStall ends, or nil.
func (q *reports) running() chan struct{} {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.over
}

// newStall returns a report without readers.
func (d *Domain) newStall(goal Seq, age time.Duration) Stall {
	stats := d.Stats()
	return Stall{
		Domain:       d.opts.Name,
		Goal:         goal,
		Age:          age,
		PendingCalls: stats.PendingCalls,
		PendingBytes: stats.PendingBytes,
		HeldCalls:    stats.HeldCalls,
		HeldBytes:    stats.HeldBytes,
		HeldFor:      stats.HeldFor,
	}
}

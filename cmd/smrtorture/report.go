package main

import (
	"fmt"
	"io"
	"strings"
	"time"
)

// A report is what a run of a scenario did and found.
type report struct {
	scenario string
	elapsed  time.Duration
	reads    readCount
	byReader [numReaderKinds]readCount
	updates  uint64
	graces   [numWriterKinds]uint64
	counters []*counter
	errors   *faults
}

func newReport(r *rig, elapsed time.Duration) *report {
	rep := &report{
		scenario: r.name,
		elapsed:  elapsed,
		reads:    *r.reads.sum(),
		updates:  r.writes.updates.Load(),
		counters: r.counters,
		errors:   &r.faults,
	}
	r.reads.mu.Lock() // if something could not be closed, it may be at work
	defer r.reads.mu.Unlock()
	rep.byReader = r.reads.byKind
	for i := range rep.graces {
		rep.graces[i] = r.writes.graces[i].Load()
		for _, p := range r.shelves {
			rep.graces[i] += p.graces[i].Load()
		}
	}
	return rep
}

func (rep *report) ok() bool { return rep.errors.total() == 0 }

func (rep *report) write(w io.Writer) {
	fmt.Fprintf(w, "%d reads (%d/s), %d updates (%d/s) in %v\n",
		rep.reads.reads(), perSecond(rep.reads.reads(), rep.elapsed),
		rep.updates, perSecond(rep.updates, rep.elapsed), rep.elapsed.Round(time.Millisecond))
	if len(rep.counters) > 0 {
		var done []string
		for _, c := range rep.counters {
			done = append(done, fmt.Sprintf("%d %s", c.Load(), c.name))
		}
		fmt.Fprintln(w, strings.Join(done, ", "))
	}
	rep.writeKinds(w)
	rep.reads.writeAges(w)
	rep.errors.write(w)
}

// writeKinds prints what was done in each way.
func (rep *report) writeKinds(w io.Writer) {
	for k := range rep.byReader {
		if c := &rep.byReader[k]; c.reads() > 0 {
			fmt.Fprintf(w, "  reader %-14v %12d sections %12d reads\n", readerKind(k), c.sections, c.reads())
		}
	}
	for k, n := range rep.graces {
		if n > 0 {
			fmt.Fprintf(w, "  writer %-14v %12d grace periods\n", writerKind(k), n)
		}
	}
}

// writeAges prints the histogram of the ages that readers saw. More than 1 is an error.
func (c *readCount) writeAges(w io.Writer) {
	fmt.Fprintf(w, "  age ")
	for age := range c.ages {
		fmt.Fprintf(w, " %d", age)
	}
	fmt.Fprintf(w, "\n  seen")
	for _, n := range c.ages {
		fmt.Fprintf(w, " %d", n)
	}
	fmt.Fprintln(w)
}

// writeSummary prints a line for each of several scenarios.
func writeSummary(w io.Writer, reports []*report) {
	var all readCount
	fmt.Fprintf(w, "\n%-18s %14s %14s %8s\n", "scenario", "reads/s", "updates/s", "errors")
	for _, rep := range reports {
		all.add(&rep.reads)
		fmt.Fprintf(w, "%-18s %14d %14d %8d\n", rep.scenario,
			perSecond(rep.reads.reads(), rep.elapsed), perSecond(rep.updates, rep.elapsed), rep.errors.total())
	}
	all.writeAges(w)
}

package main

import (
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"
)

// A readTally sums what all readers have read. They add to it between stints.
type readTally struct {
	mu     sync.Mutex
	byKind [numReaderKinds]readCount
}

func (t *readTally) add(kind readerKind, c *readCount) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.byKind[kind].add(c)
}

func (t *readTally) sum() *readCount {
	t.mu.Lock()
	defer t.mu.Unlock()
	sum := new(readCount)
	for i := range t.byKind {
		sum.add(&t.byKind[i])
	}
	return sum
}

// A writeTally sums what all writers have done, except for callbacks: see pool.
type writeTally struct {
	updates atomic.Uint64
	graces  [numWriterKinds]atomic.Uint64
}

// A faultKind is a kind of error that a run can find.
type faultKind int

const (
	faultAge faultKind = iota
	faultPayload
	faultSection
	faultBarrier
	faultCallback
	faultWait
	faultGoal
	faultThrottle
	faultDomain
	faultStall
	faultClose
	faultLeak
	faultRace
	numFaultKinds
)

var faultKinds = [numFaultKinds]string{
	faultAge:      "element too old",
	faultPayload:  "payload changed",
	faultSection:  "section state",
	faultBarrier:  "barrier not exact",
	faultCallback: "callback not once",
	faultWait:     "wait failed",
	faultGoal:     "goal",
	faultThrottle: "throttle bound",
	faultDomain:   "short-lived domain",
	faultStall:    "stall report",
	faultClose:    "close",
	faultLeak:     "leak",
	faultRace:     "data race",
}

// faults collects errors: their number by kind, and the first few of each.
type faults struct {
	mu    sync.Mutex
	count [numFaultKinds]uint64
	first [numFaultKinds][]string
}

const firstFaults = 3

func (f *faults) add(kind faultKind, format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[kind]++
	if len(f.first[kind]) < firstFaults {
		f.first[kind] = append(f.first[kind], fmt.Sprintf(format, args...))
	}
}

func (f *faults) total() (sum uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, n := range f.count {
		sum += n
	}
	return sum
}

func (f *faults) write(w io.Writer) {
	fmt.Fprintf(w, "%d errors\n", f.total())
	f.mu.Lock()
	defer f.mu.Unlock()
	for kind, n := range f.count {
		if n == 0 {
			continue
		}
		fmt.Fprintf(w, "%s: %d, such as\n", faultKinds[kind], n)
		for _, text := range f.first[kind] {
			fmt.Fprintf(w, "\t%s\n", text)
		}
	}
}

// A report is what a run did and found.
type report struct {
	elapsed  time.Duration
	reads    readCount
	byReader [numReaderKinds]readCount
	updates  uint64
	graces   [numWriterKinds]uint64
	calls    uint64
	toggles  uint64
	domains  uint64
	stalls   int
	stall    string // the one that named the reader, if one was injected
	errors   *faults
}

func newReport(elapsed time.Duration, p *pool, reads *readTally, writes *writeTally,
	stalls *stallWatch, errors *faults, toggles, domains uint64) *report {
	stalls.mu.Lock() // if Close failed, the domain is still at work
	defer stalls.mu.Unlock()
	r := &report{
		elapsed:  elapsed,
		reads:    *reads.sum(),
		byReader: reads.byKind,
		updates:  writes.updates.Load(),
		calls:    p.calls.Load(),
		toggles:  toggles,
		domains:  domains,
		stalls:   stalls.reports,
		errors:   errors,
	}
	for i := range r.graces {
		r.graces[i] = writes.graces[i].Load() + p.graces[i].Load()
	}
	if stalls.wasNamed {
		r.stall = stalls.example.String()
	}
	return r
}

func (r *report) ok() bool { return r.errors.total() == 0 }

func (r *report) write(w io.Writer) {
	fmt.Fprintf(w, "\n%d reads (%d/s), %d updates (%d/s) in %v\n",
		r.reads.reads(), perSecond(r.reads.reads(), r.elapsed),
		r.updates, perSecond(r.updates, r.elapsed), r.elapsed.Round(time.Millisecond))
	fmt.Fprintf(w, "%d deferred calls, %d changes of GOMAXPROCS, %d short-lived domains, %d stall reports\n",
		r.calls, r.toggles, r.domains, r.stalls)
	if r.stall != "" {
		fmt.Fprintf(w, "%s\n", r.stall)
	}
	fmt.Fprintf(w, "\n%-16s%12s%12s\n", "reader", "sections", "reads")
	for k := range r.byReader {
		fmt.Fprintf(w, "%-16v%12d%12d\n", readerKind(k), r.byReader[k].sections, r.byReader[k].reads())
	}
	fmt.Fprintf(w, "\n%-16s%14s\n", "writer", "grace periods")
	for k, n := range r.graces {
		fmt.Fprintf(w, "%-16v%14d\n", writerKind(k), n)
	}
	fmt.Fprintf(w, "\n%-16s", "age")
	for age := range r.reads.ages {
		fmt.Fprintf(w, " %d", age)
	}
	fmt.Fprintf(w, "\n%-16s", "seen")
	for _, n := range r.reads.ages {
		fmt.Fprintf(w, " %d", n)
	}
	fmt.Fprintf(w, "\n\n")
	r.errors.write(w)
}

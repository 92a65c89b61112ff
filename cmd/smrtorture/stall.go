package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/gosmr/gosmr/clock"
	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/pcpu"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// stalls is readers that stay in their sections on purpose, one at a time, of every kind in turn,
// until they are reported. The report must name exactly that reader. The grace period must end by
// itself when the reader leaves, and not before.
//
// One round of all kinds always runs, however short the run.
type stalls struct{}

// A stallKind is a kind of reader that can stall.
type stallKind struct {
	name  string
	kind  clock.Kind // in the report
	enter func(*staller) (s smr.Section, end func())
}

var stallKinds = []stallKind{
	{"Enter", clock.Tracker, func(st *staller) (smr.Section, func()) {
		s := st.dom.Enter()
		return s, s.Leave
	}},
	{"Enter, left elsewhere", clock.Tracker, func(st *staller) (smr.Section, func()) {
		s := st.dom.Enter()
		return s, func() { elsewhere(s.Leave) }
	}},
	{"Pin", pinKind(), func(st *staller) (smr.Section, func()) {
		s := st.dom.Pin()
		return s, s.Leave
	}},
	{"Reader", clock.Owned, func(st *staller) (smr.Section, func()) {
		rd := st.dom.NewReader()
		s := rd.Enter()
		return s, func() { s.Leave(); rd.Close() }
	}},
	{"Quiescent", clock.Quiescent, func(st *staller) (smr.Section, func()) {
		q := st.dom.NewQuiescent(func() {}) // does not listen
		q.Online()
		return q.Section(), q.Close
	}},
	{"stw.Domain", clock.Quiescent, func(st *staller) (smr.Section, func()) {
		d, err := st.world.Register()
		if err != nil {
			panic(err)
		}
		return d.Section(), d.Deregister // without a Poll between
	}},
}

// pinKind is what a pinned section is in this build.
func pinKind() clock.Kind {
	if pcpu.Exclusive || invariants.Enabled { // whose books have it as pinned
		return clock.Pinned
	}
	return clock.Tracker
}

func elsewhere(fn func()) {
	var wg sync.WaitGroup
	wg.Go(fn)
	wg.Wait()
}

// A staller has one reader stall at a time, on its own domain: so it knows exactly what the report
// must say.
type staller struct {
	dom    *smr.Domain
	world  *stw.World
	shelf  *shelf
	faults *faults
	rng    *rand.Rand
	tally  *readTally

	mu      sync.Mutex // held for moments only: onStall must be quick
	reports []smr.Stall
	first   chan struct{} // closed with the first of reports
}

const stallAfter = 5 * time.Millisecond

func (stalls) join(r *rig) {
	st := &staller{faults: &r.faults, rng: r.rand("stalls"), tally: &r.reads}
	st.dom = r.domain("stalls", func(o *smr.Options) {
		o.StallAfter = stallAfter
		o.OnStall = st.onStall
	})
	var err error
	if st.world, err = stw.NewWorld(stw.Options{SMR: []*smr.Domain{st.dom}}); err != nil {
		panic(err)
	}
	r.after(func() { r.faults.within("Close of the world", st.world.Close) })
	st.shelf = newShelf(st.dom, &r.faults, 4, byLock)
	reported := r.counter("stalls reported")
	r.start("stalls", func(ctx context.Context, p *pulse) {
		for round := 0; round == 0 || ctx.Err() == nil; round++ {
			for i := range stallKinds {
				kind := &stallKinds[i]
				if kind.kind == clock.Pinned && runtime.GOMAXPROCS(0) == 1 {
					continue // nothing else could run
				}
				if why := st.try(kind); why != "" {
					r.faults.add(faultStall, "%s", why)
				} else {
					reported.Add(1)
				}
				r.writes.updates.Add(1)
				p.beat()
			}
		}
	})
}

func (st *staller) onStall(report smr.Stall) {
	st.mu.Lock()
	defer st.mu.Unlock()
	if st.reports = append(st.reports, report); len(st.reports) == 1 {
		close(st.first)
	}
}

// try has a reader of a kind stall until it is reported, and returns what is wrong with the report.
func (st *staller) try(kind *stallKind) (why string) {
	st.mu.Lock()
	st.reports, st.first = nil, make(chan struct{})
	first := st.first
	st.mu.Unlock()

	wg := sync.WaitGroup{}
	wg.Go(func() {
		defer st.faults.catch("a stalling reader")
		r := &reader{shelf: st.shelf, rng: st.rng, kind: readStalled}
		why = st.stall(kind, r, first)
		st.tally.take(r.kind, &r.count)
	})
	wg.Wait()
	if why == "" {
		st.mu.Lock()
		defer st.mu.Unlock()
		why = kind.misreported(st.reports[0])
	}
	return why
}

// stall is the reader. On a busy machine a late report is no error.
func (st *staller) stall(kind *stallKind, r *reader, first <-chan struct{}) string {
	pinned := kind.kind == clock.Pinned
	if pinned {
		// A collection would stop every goroutine, and wait for this one.
		defer debug.SetGCPercent(debug.SetGCPercent(-1))
		runtime.GC() // ends one that is under way
	}
	waited := make(chan error, 1)
	var s smr.Section
	wait := func() {
		smr.Call(st.dom, new(int), elementSize, func(*int) {})
		waited <- st.dom.Synchronize(context.Background())
	}
	var end func()
	if pinned { // starting a goroutine may not block, but its waiting must come later
		entered := make(chan struct{})
		go func() { <-entered; wait() }()
		s, end = kind.enter(st)
		close(entered)
	} else {
		s, end = kind.enter(st)
		go wait()
	}
	r.view.load(st.shelf, s, st.rng, 1)
	named := false
	if pinned {
		for began := time.Now(); !named && time.Since(began) < lateReport; {
			select {
			case <-first:
				named = true
			default:
			}
		}
	} else {
		select {
		case <-first:
			named = true
		case <-time.After(lateReport):
		}
	}
	r.view.verify(s)
	early := len(waited) > 0
	end()
	r.view.settle(smr.Section{}, r.kind, &r.count, st.faults)
	err := <-waited
	switch {
	case !named:
		return fmt.Sprintf("%s stalled for %v and was not reported", kind.name, lateReport)
	case early:
		return fmt.Sprintf("Synchronize returned %v while %s stalled", err, kind.name)
	case err != nil:
		return fmt.Sprintf("Synchronize returned %v after %s had stalled", err, kind.name)
	}
	return ""
}

const lateReport = 10 * time.Second

// described returns what a report calls such a reader.
func (k *stallKind) described() string {
	if k.name == "stw.Domain" {
		return "stw domain "
	}
	return "a " + k.kind.String()
}

// misreported returns what is wrong with a report of a stalled reader of the kind.
func (k *stallKind) misreported(report smr.Stall) string {
	var wrong []string
	check := func(ok bool, format string, args ...any) {
		if !ok {
			wrong = append(wrong, fmt.Sprintf(format, args...))
		}
	}
	check(report.Domain == "stalls", "it is for domain %q", report.Domain)
	check(report.PendingCalls > 0 && report.PendingBytes >= elementSize, "it says %d calls (%d bytes) pending",
		report.PendingCalls, report.PendingBytes)
	check(report.Age >= stallAfter, "it comes after %v", report.Age)
	check(len(report.Readers) == 1, "it names %d readers", len(report.Readers))
	for _, r := range report.Readers {
		check(r.Kind == k.kind, "it names a %v", r.Kind)
		registered := k.kind == clock.Owned || k.kind == clock.Quiescent
		check((r.Processor < 0) == registered, "it says processor %d", r.Processor)
		check(!invariants.Enabled || k.kind == clock.Quiescent || r.Stack != "", "it has no stack")
		check(!r.Leaked, "it says that the section leaked")
	}
	check(strings.Contains(report.String(), "waits for "+k.described()), "it reads wrong")
	if wrong == nil {
		return ""
	}
	return fmt.Sprintf("%s stalled; %s: %v", k.name, strings.Join(wrong, ", "), report)
}

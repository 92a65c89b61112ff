package smrdebug

import (
	"runtime"
	"slices"
	"time"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/internal/membarrier"
	"github.com/gosmr/gosmr/internal/relacq"
	"github.com/gosmr/gosmr/smr"
	"github.com/gosmr/gosmr/stw"
)

// A report is what all formats show.
type report struct {
	Time       time.Time   `json:"time"`
	Go         string      `json:"go"`
	Build      string      `json:"build"`
	Procs      int         `json:"gomaxprocs"`
	Findings   []finding   `json:"findings"` // the worst first
	Domains    []domain    `json:"domains"`
	Containers []container `json:"containers"`
	Worlds     []world     `json:"worlds"`
}

// listed is how many readers and holds of a domain are listed.
const listed = 16

type domain struct {
	Name   string `json:"name"`
	State  string `json:"state"` // idle, busy, slow, stuck or closed
	Closed bool   `json:"closed"`

	PendingCalls int64 `json:"pending_calls"`
	PendingBytes int64 `json:"pending_bytes"`
	MaxPending   int64 `json:"max_pending_bytes"`
	Throttled    int   `json:"writers_throttled"`
	Barriers     int   `json:"barriers"`

	Collecting stage `json:"collecting"`
	Waiting    stage `json:"waiting"`
	Ready      stage `json:"ready"`
	Running    stage `json:"running"`
	Held       stage `json:"held"`

	Grace       seconds `json:"grace_seconds"`
	GraceMedian seconds `json:"grace_median_seconds"`
	GraceMax    seconds `json:"grace_max_seconds"`

	Sections int      `json:"sections"`
	Records  int      `json:"records"`
	Readers  []reader `json:"readers"`

	Holds  int          `json:"holds"`
	Parked []heldObject `json:"held_objects"`

	Reclaimer    string  `json:"reclaimer"`
	Late         seconds `json:"late_seconds"`
	LateLast     seconds `json:"late_last_seconds"`
	LateWorst    seconds `json:"late_worst_seconds"`
	LateWorstAgo seconds `json:"late_worst_ago_seconds"`

	Workers    int     `json:"workers"`
	MaxWorkers int     `json:"max_workers"`
	MaxDelay   seconds `json:"max_delay_seconds"`
	CheckIn    seconds `json:"check_in_seconds"`
	StallAfter seconds `json:"stall_after_seconds"`
	SampleOne  int     `json:"sample_sections"`

	Calls     uint64 `json:"calls_total"`
	Callbacks uint64 `json:"callbacks_total"`
	Advances  uint64 `json:"advances_total"`
	Scans     uint64 `json:"scans_total"`
	Stalls    uint64 `json:"stalls_total"`
}

type stage struct {
	Calls int64   `json:"calls"`
	Bytes int64   `json:"bytes"`
	For   seconds `json:"for_seconds"`
}

type reader struct {
	What      string  `json:"what"`
	Kind      string  `json:"kind"`
	Processor int     `json:"processor"`
	Age       seconds `json:"age_seconds"` // at least; 0: unknown
	Blocks    bool    `json:"blocks"`
	HeldBack  stage   `json:"held_back"`
	Labels    string  `json:"labels,omitempty"`
	Stack     string  `json:"stack,omitempty"`
}

type heldObject struct {
	Callback string   `json:"callback"`
	Held     stage    `json:"held"`
	Stacks   []string `json:"stacks,omitempty"`
}

// newReport takes a snapshot of the domains, and of what is published.
func newReport(domains []*smr.Domain) *report {
	rep := &report{
		Time:  time.Now(),
		Go:    runtime.Version(),
		Build: build(),
		Procs: runtime.GOMAXPROCS(0),

		// In JSON an empty list is no null.
		Findings: []finding{}, Domains: []domain{}, Containers: []container{}, Worlds: []world{},
	}
	for _, d := range domains {
		dg := d.Diagnose(listed)
		found := findings(&dg)
		rep.Findings = append(rep.Findings, found...)
		rep.Domains = append(rep.Domains, newDomain(&dg, found))
	}
	for _, p := range publications() {
		if _, ok := p.v.(*stw.World); ok {
			rep.Worlds = append(rep.Worlds, newWorld(p))
		} else {
			rep.Containers = append(rep.Containers, newContainer(p))
		}
	}
	slices.SortStableFunc(rep.Findings, worse)
	return rep
}

// build says how readers' stores are made.
func build() string {
	b := "readers store with sync/atomic"
	switch {
	case relacq.Plain && membarrier.Available():
		b = "readers store plainly, pollers use membarrier"
	case relacq.Plain:
		b = "readers fence for themselves: the kernel has no membarrier"
	}
	if invariants.Enabled {
		b += ", invariants are checked"
	}
	return b
}

func newDomain(dg *smr.Diagnosis, found []finding) domain {
	d := domain{
		Name:   dg.Name,
		State:  stateOf(dg, found),
		Closed: dg.Closed,

		PendingCalls: dg.PendingCalls,
		PendingBytes: dg.PendingBytes,
		MaxPending:   dg.MaxPending,
		Throttled:    dg.Throttled,
		Barriers:     dg.Barriers,

		Collecting: newStage(dg.Collecting),
		Waiting:    newStage(dg.Waiting),
		Ready:      newStage(dg.Ready),
		Running:    newStage(dg.Running),
		Held:       newStage(dg.Held),

		Grace:    seconds(dg.Grace),
		Sections: dg.Sections,
		Records:  dg.Records,
		Holds:    dg.Holds,

		Reclaimer:    dg.Reclaimer,
		Late:         seconds(dg.Late.Now),
		LateLast:     seconds(dg.Late.Last),
		LateWorst:    seconds(dg.Late.Worst),
		LateWorstAgo: seconds(dg.Late.WorstAgo),

		Workers:    dg.Workers,
		MaxWorkers: dg.MaxWorkers,
		MaxDelay:   seconds(dg.MaxDelay),
		CheckIn:    seconds(dg.CheckIn),
		StallAfter: seconds(dg.StallAfter),
		SampleOne:  dg.SampleSections,

		Calls:     dg.Calls,
		Callbacks: dg.Callbacks,
		Advances:  dg.Advances,
		Scans:     dg.Scans,
		Stalls:    dg.Stalls,
	}
	if g := slices.Clone(dg.Graces); len(g) > 0 {
		slices.Sort(g)
		d.GraceMedian, d.GraceMax = seconds(g[len(g)/2]), seconds(g[len(g)-1])
	}
	d.Readers, d.Parked = []reader{}, []heldObject{}
	for _, r := range dg.Readers {
		d.Readers = append(d.Readers, newReader(r))
	}
	for _, h := range dg.Parked {
		d.Parked = append(d.Parked, heldObject{h.Callback, newStage(h.Stage), h.Stacks})
	}
	return d
}

func newStage(s smr.Stage) stage { return stage{s.Calls, s.Bytes, seconds(s.For)} }

func newReader(r smr.OpenSection) reader {
	return reader{
		What:      who(r.StalledReader),
		Kind:      r.Kind.String(),
		Processor: r.Processor,
		Age:       seconds(r.Age),
		Blocks:    r.Blocks,
		HeldBack:  newStage(r.HeldBack),
		Labels:    r.Labels,
		Stack:     r.Stack,
	}
}

func stateOf(dg *smr.Diagnosis, found []finding) string {
	level := 0
	for _, f := range found {
		level = max(level, f.level)
	}
	switch {
	case level == stuck:
		return "stuck"
	case level == slow:
		return "slow"
	case dg.Closed:
		return "closed"
	case dg.PendingCalls > 0 || dg.Grace > 0:
		return "busy"
	default:
		return "idle"
	}
}

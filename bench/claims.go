package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/report"
	"github.com/gosmr/gosmr/bench/internal/run"
)

// A claim is a ratio of the committed run that README.md or docs/performance.md states: what
// one peer takes of the time of another.
type claim struct {
	what         string // "": the same as the claim before
	family       string
	param        int
	procs        int
	metric       string
	ours, beside string
}

// The README has the first claims, docs/performance.md all of them.
const inReadme = 10

var claims = []claim{
	{"`Enter`, a load, `Leave`", "load", 0, 1, "ns", "gosmr-section", "sync.RWMutex"},
	{"", "load", 0, 1, "ns", "gosmr-section", "atomic.Pointer"},
	{"", "load", 0, 1, "ns", "gosmr-section", "liburcu-memb"},
	{"the same, two processors", "load", 0, 2, "ns", "gosmr-section", "sync.RWMutex"},
	{"`Call` to its callback's end, 10,000 calls", "call", 10_000, 2, "all", "gosmr", "runtime.AddCleanup"},
	{"objects of 1 KiB replaced and freed by `Call`", "flood", 0, 1, "updates", "gosmr", "crossbeam-epoch"},
	{"`smrq`: a walk of 16 beside a writer", "walk-beside", 16, 2, "ns", "gosmr-TailQ", "container/list+RWMutex"},
	{"`Map` of 1,000,000: load", "map", 1_000_000, 1, "load", "gosmr-map", "xsync-v4"},
	{"the same: store over a key", "map", 1_000_000, 1, "store", "gosmr-map", "xsync-v4"},
	{"`Map` of 5,000,000: a forced collection", "gc", 5_000_000, 2, "gc", "gosmr-map", "xsync-v4"},

	{"`Reader`: enter, a load, leave", "load", 0, 1, "ns", "gosmr-reader", "sync.RWMutex"},
	{"`Pin`: the same", "load", 0, 1, "ns", "gosmr-pin", "sync.RWMutex"},
	{"`Enter`: the same", "load", 0, 1, "ns", "gosmr-section", "xsync-v4-RBMutex"},
	{"", "load", 0, 1, "ns", "gosmr-section", "crossbeam-epoch"},
	{"`Enter`, `-tags smr_portable`", "load", 0, 1, "ns", "gosmr-portable", "sync.RWMutex"},
	{"`stw`: section, load, `Poll`", "load", 0, 1, "ns", "gosmr-quiescent", "liburcu-qsbr"},
	{"`Enter`, a hundredth updates, two processors", "swap", 10, 2, "ns", "gosmr-section", "sync.RWMutex"},
	{"a tenth", "swap", 100, 2, "ns", "gosmr-section", "sync.RWMutex"},
	{"", "swap", 100, 2, "ns", "gosmr-section", "atomic.Pointer"},
	{"`Call` to its callback's end, 10,000 calls", "call", 10_000, 2, "all", "gosmr", "liburcu-memb"},
	{"`Call` with `Expedite` to callback", "callback", 0, 2, "p50", "gosmr-expedite", "liburcu-memb"},
	{"objects of 1 KiB replaced and freed by `Call`", "flood", 0, 1, "updates", "gosmr", "liburcu-memb"},
	{"by `Pool.Retire`", "flood", 0, 1, "updates", "gosmr-retire", "crossbeam-epoch"},
	{"`Synchronize`, no reader", "synchronize", 0, 2, "p50", "gosmr", "liburcu-memb"},
	{"`Synchronize` beside a reader", "synchronize", 1, 2, "p50", "gosmr", "liburcu-memb"},
	{"`smrq`: a section and a walk of 16", "walk", 16, 1, "ns", "gosmr-TailQ", "container/list+RWMutex"},
	{"beside a writer: the writer's updates", "walk-beside", 16, 2, "updates", "gosmr-TailQ", "container/list+RWMutex"},
	{"`stw`: stop and restart 2", "stop", 2, 2, "p50", "gosmr-stop", "runtime.ReadMemStats"},
	{"`Map` of 1,000: load", "map", 1000, 1, "load", "gosmr-map", "xsync-v4"},
	{"", "map", 1000, 1, "load", "gosmr-map", "sync.Map"},
	{"`Map` of 1,000,000: 90 % loads", "map", 1_000_000, 1, "load90", "gosmr-map", "xsync-v4"},
	{"store over a key", "map", 1_000_000, 1, "store", "gosmr-map", "RWMutex+map"},
	{"memory of an entry", "map", 1_000_000, 1, "bytes", "gosmr-map", "xsync-v4"},
	{"`Bytes` of 1,000,000: load, lent", "bytes", 1_000_000, 1, "load", "gosmr-bytes-lent", "fastcache"},
}

// A ratio may be slack times what it was, or shared times where processors write to what
// others read: a virtual machine's processors get at each other's lines in 50 ns on one day,
// and in 250 on another. It is measured so often before it counts as worse than that.
const (
	slack  = 2
	shared = 4
	tries  = 3

	// slept is the ratio below which the other's time is how long its helper thread sleeps, as
	// that of liburcu's call_rcu does: 10 ms on one machine, and less on another, where the same
	// commits that measured 0.01 and 0.0016 measure 0.03 and 0.011.
	slept = 0.05
)

func (c claim) slack() float64 {
	switch {
	case c.procs == 1:
	case c.family == "load": // by what a lock counts
		return shared
	case slices.Contains([]string{"swap", "walk-beside", "synchronize"}, c.family) && c.param > 0:
		return shared
	}
	return slack
}

// guard measures the claims, by turns, and fails if a ratio is worse than in each of the runs that
// are committed. It compares no times: machines differ. (Where a cache line goes to and fro ratios
// do so as well, up to 30 times.)
func guard(ctx context.Context, root string, peers map[string][]peer, set settings, w io.Writer, show func(string)) error {
	runs, err := committed(root)
	if err != nil {
		return err
	}
	var then []*report.Table
	for _, r := range runs {
		then = append(then, report.NewTable(r))
	}
	set.reps, set.duration = 7, 30*time.Millisecond
	left := claims
	for try := 1; ; try++ {
		samples, failed, err := measureAll(ctx, claimed(left, peers), set, show)
		if err != nil {
			return err
		}
		if len(failed) > 0 {
			return errors.New(failed[0].Why)
		}
		show("")
		now := report.NewTable(&run.Run{Samples: samples})
		var worse []claim
		for _, c := range left {
			was, ok := c.ratio(then[0])
			if !ok {
				return fmt.Errorf("the committed run has no %+v", c)
			}
			for _, other := range then[1:] {
				if r, ok := c.ratio(other); ok {
					was = max(was, r)
				}
			}
			verdict := "not measured here"
			if is, ok := c.ratio(now); ok {
				verdict = fmt.Sprintf("%.2g", is)
				if is > was*c.slack() && is > slept {
					verdict += ": WORSE"
					worse = append(worse, c)
				}
			}
			fmt.Fprintf(w, "%-12s %8d %d %-7s %-20s / %-24s %.2g, now %s\n", c.family, c.param, c.procs, c.metric, c.ours, c.beside, was, verdict)
		}
		switch {
		case len(worse) == 0:
			return nil
		case try == tries:
			return fmt.Errorf("%d ratios are more than %d times what the pages say, or %d where a cache line goes to and fro", len(worse), slack, shared)
		}
		fmt.Fprintf(w, "again, what is worse than it was:\n")
		left = worse
	}
}

// claimed are the cells that claims are about, but for those that take long to set up, need
// more processors, or could not be built.
func claimed(claims []claim, peers map[string][]peer) (cells []cell) {
	const large = 100_000
	procs := runtime.NumCPU()
	for _, c := range claims {
		for _, name := range []string{c.ours, c.beside} {
			i := slices.IndexFunc(peers[c.family], func(p peer) bool { return p.name == name })
			if i < 0 || c.param > large || c.procs > procs {
				continue
			}
			if cl := (cell{peers[c.family][i], c.family, c.param, c.procs}); !slices.Contains(cells, cl) {
				cells = append(cells, cl)
			}
		}
	}
	return cells
}

// ratio returns what ours takes of the other's time.
func (c claim) ratio(t *report.Table) (float64, bool) {
	ours, ok := t.Lookup(c.family, c.param, c.procs, c.ours, c.metric)
	beside, ok2 := t.Lookup(c.family, c.param, c.procs, c.beside, c.metric)
	if !ok || !ok2 {
		return 0, false
	}
	return report.Ratio(ours.Median, beside.Median, c.of())
}

// of is the metric that the claim is about.
func (c claim) of() family.Metric {
	f, _ := family.Find(c.family)
	for _, m := range f.Metrics {
		if m.Name == c.metric {
			return m
		}
	}
	panic(fmt.Sprintf("no metric %s in family %q", c.metric, c.family))
}

// A page has its figures between these two lines.
const (
	begin = "<!-- figures: go run ./bench -redraw -->"
	end   = "<!-- end of figures -->"
)

// pages are what states figures, under the root of the repository, with their claims.
var pages = map[string][]claim{
	"README.md":           claims[:inReadme],
	"docs/performance.md": claims,
}

// publish makes a run the committed one: it writes its summary, and its figures into the pages.
func publish(root string, r *run.Run) error {
	others, err := ofOtherMachines(root)
	if err != nil {
		return err
	}
	fresh := make(map[string]string)
	for page, claims := range pages {
		text, err := os.ReadFile(filepath.Join(root, page))
		if err != nil {
			return err
		}
		if fresh[page], err = withFigures(string(text), append([]*run.Run{r}, others...), claims); err != nil {
			return fmt.Errorf("%s: %w", page, err)
		}
	}
	if err := report.WriteSummary(committedDir(root), r); err != nil {
		return err
	}
	for page, text := range fresh {
		if err := os.WriteFile(filepath.Join(root, page), []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// committedDir is where the summary and the samples of the committed run are. Below it, in
// directories of their own, are samples of runs on other machines.
func committedDir(root string) string { return filepath.Join(root, "docs", "benchmarks") }

// committed returns the committed run, and then those of other machines.
func committed(root string) ([]*run.Run, error) {
	r, err := report.Read(committedDir(root))
	if err != nil {
		return nil, err
	}
	others, err := ofOtherMachines(root)
	return append([]*run.Run{r}, others...), err
}

func ofOtherMachines(root string) (runs []*run.Run, err error) {
	entries, err := os.ReadDir(committedDir(root))
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.IsDir() {
			r, err := report.Read(filepath.Join(committedDir(root), e.Name()))
			if err != nil {
				return nil, err
			}
			runs = append(runs, r)
		}
	}
	return runs, nil
}

// withFigures returns a page with the figures of the claims in place of those that it has: times and
// ratios of the first run, and ratios of the others.
func withFigures(page string, runs []*run.Run, claims []claim) (string, error) {
	before, rest, ok := strings.Cut(page, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("has no lines %q and %q", begin, end)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n\n| | | beside it | | ratio |", before, begin)
	for _, r := range runs[1:] {
		fmt.Fprintf(&b, " %s |", r.Machine.CPU)
	}
	fmt.Fprintf(&b, "\n|---|---|---|---|---|%s\n", strings.Repeat("---|", len(runs)-1))
	t := report.NewTable(runs[0])
	for _, c := range claims {
		ratio, ok := c.ratio(t)
		if !ok {
			return "", fmt.Errorf("the run has no %+v", c)
		}
		ours, _ := t.Lookup(c.family, c.param, c.procs, c.ours, c.metric)
		beside, _ := t.Lookup(c.family, c.param, c.procs, c.beside, c.metric)
		unit := c.of().Unit
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |", c.what, report.Format(ours.Median, unit), c.beside, report.Format(beside.Median, unit), boldLoss(ratio))
		for _, r := range runs[1:] {
			text := "–"
			if ratio, ok := c.ratio(report.NewTable(r)); ok {
				text = boldLoss(ratio)
			}
			fmt.Fprintf(&b, " %s |", text)
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
	for i, r := range runs {
		m, what := r.Machine, "Medians"
		if i > 0 {
			what = "The last column: medians"
		}
		fmt.Fprintf(&b, "%s of %d, %s, %d processors, %s, %s, on commit %s.\n", what, r.Reps, m.CPU, m.Procs, m.Kernel, m.Go, r.Commit)
	}
	b.WriteString(end + after)
	return b.String(), nil
}

func boldLoss(ratio float64) string {
	text := fmt.Sprintf("%.2g", ratio)
	if ratio > 1.05 {
		text = "**" + text + "**"
	}
	return text
}

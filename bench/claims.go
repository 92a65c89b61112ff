package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/report"
)

// A claim is a ratio that the README states, from the committed report: what one peer
// takes of the time of another.
type claim struct {
	what         string
	family       string
	param        int
	procs        int
	metric       string
	ours, beside string
}

var claims = []claim{
	{"`Reader`: enter, load, leave", "load", 0, 1, "ns", "gosmr-reader", "sync.RWMutex"},
	{"`Pin`: the same", "load", 0, 1, "ns", "gosmr-pin", "sync.RWMutex"},
	{"`Enter`: the same", "load", 0, 1, "ns", "gosmr-section", "sync.RWMutex"},
	{"", "load", 0, 1, "ns", "gosmr-section", "xsync-v4-RBMutex"},
	{"", "load", 0, 1, "ns", "gosmr-section", "crossbeam-epoch"},
	{"", "load", 0, 1, "ns", "gosmr-section", "liburcu-memb"},
	{"the same, on two processors", "load", 0, 2, "ns", "gosmr-section", "sync.RWMutex"},
	{"quiescent: load, poll", "load", 0, 1, "ns", "gosmr-quiescent", "liburcu-qsbr"},
	{"`Enter`, `-tags smr_portable`", "load", 0, 1, "ns", "gosmr-portable", "sync.RWMutex"},
	{"a tenth updates, two processors", "swap", 100, 2, "ns", "gosmr-section", "sync.RWMutex"},
	{"", "swap", 100, 2, "ns", "gosmr-section", "atomic.Pointer"},
	{"`Call` and its callback, 10,000 at a time", "call", 10000, 2, "all", "gosmr", "liburcu-memb"},
	{"`Synchronize`, nobody reading", "synchronize", 0, 2, "p50", "gosmr", "liburcu-memb"},
	{"`Synchronize` beside a reader", "synchronize", 1, 2, "p50", "gosmr", "liburcu-memb"},
	{"a walk of 16", "walk", 16, 1, "ns", "gosmr-TailQ", "container/list+RWMutex"},
	{"map of 1,000: load", "map", 1000, 1, "load", "gosmr-map", "xsync-v4"},
	{"", "map", 1000, 1, "load", "gosmr-map", "sync.Map"},
	{"map of 100,000: load", "map", 100_000, 1, "load", "gosmr-map", "xsync-v4"},
	{"the same, 90 % loads", "map", 100_000, 1, "load90", "gosmr-map", "xsync-v4"},
	{"map of bytes, 100,000: load", "bytes", 100_000, 1, "load", "gosmr-bytes-lent", "fastcache"},
	{"a forced collection, 1,000,000 entries", "gc", 1_000_000, 2, "gc", "gosmr-map", "xsync-v4"},
}

// slack is how far off a ratio may be in the quick mode.
const slack = 2

// guard measures what the README claims, by turns, and fails if a ratio is not what it
// was. Times are not compared: machines differ.
func guard(ctx context.Context, root string, peers map[string][]peer, set settings, w io.Writer, show func(string)) error {
	committed, err := report.Read(filepath.Join(root, "docs", "benchmarks"))
	if err != nil {
		return err
	}
	then := report.NewTable(committed)
	procs := machine().Procs
	var cells []cell
	for _, c := range claims {
		for _, name := range []string{c.ours, c.beside} {
			i := slices.IndexFunc(peers[c.family], func(p peer) bool { return p.name == name })
			if i < 0 || c.param > 100_000 || c.procs > procs {
				continue
			}
			new := cell{peers[c.family][i], c.family, c.param, c.procs}
			if !slices.Contains(cells, new) {
				cells = append(cells, new)
			}
		}
	}
	set.reps, set.duration = 7, 30*time.Millisecond
	samples, failed, err := measureAll(ctx, cells, set, show)
	if err != nil {
		return err
	}
	show("")
	for _, m := range failed {
		return errors.New(m.Why)
	}
	committed.Samples = samples
	now := report.NewTable(committed)
	off := 0
	for _, c := range claims {
		was, ok := c.ratio(then)
		if !ok {
			return fmt.Errorf("the committed report does not have what the README claims: %+v", c)
		}
		is, ok := c.ratio(now)
		verdict := "not measured here"
		if ok {
			verdict = fmt.Sprintf("%.2f", is)
			if is > was*slack {
				verdict += ": OFF"
				off++
			}
		}
		fmt.Fprintf(w, "%-16s %8d %d %-6s %-20s / %-24s %.2f, now %s\n", c.family, c.param, c.procs, c.metric, c.ours, c.beside, was, verdict)
	}
	if off > 0 {
		return fmt.Errorf("%d ratios are more than %d times what the README says", off, slack)
	}
	return nil
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

// The README has its figures between these two lines.
const (
	begin = "<!-- figures: go run ./bench -readme -->"
	end   = "<!-- end of figures -->"
)

// writeReadme puts the figures of the committed report into the README.
func writeReadme(root string) error {
	path := filepath.Join(root, "README.md")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	fresh, err := withFigures(root, string(text))
	if err != nil {
		return err
	}
	return os.WriteFile(path, []byte(fresh), 0o644)
}

func withFigures(root, readme string) (string, error) {
	before, rest, ok := strings.Cut(readme, begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		return "", fmt.Errorf("the README has no lines %q and %q", begin, end)
	}
	r, err := report.Read(filepath.Join(root, "docs", "benchmarks"))
	if err != nil {
		return "", err
	}
	t := report.NewTable(r)
	var b strings.Builder
	fmt.Fprintf(&b, "%s%s\n\n| | | beside it | | ratio |\n|---|---|---|---|---|\n", before, begin)
	for _, c := range claims {
		ratio, ok := c.ratio(t)
		if !ok {
			return "", fmt.Errorf("the committed report has no %+v", c)
		}
		ours, _ := t.Lookup(c.family, c.param, c.procs, c.ours, c.metric)
		beside, _ := t.Lookup(c.family, c.param, c.procs, c.beside, c.metric)
		text := fmt.Sprintf("%.2f", ratio)
		if ratio > 1.05 {
			text = "**" + text + "**"
		}
		unit := c.of().Unit
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s |\n", c.what, report.Format(ours.Median, unit), c.beside, report.Format(beside.Median, unit), text)
	}
	m := r.Machine
	fmt.Fprintf(&b, "\nMedians of %d, %s, %d processors, %s, %s, on commit %s.\n%s%s", r.Reps, m.CPU, m.Procs, m.Kernel, m.Go, r.Commit, end, after)
	return b.String(), nil
}

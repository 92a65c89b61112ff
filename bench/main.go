// Command bench measures this library and what a program would use in its place, on the
// same work, in one run, and writes a report: tables, plots, and every number.
//
//	go run ./bench                    two minutes; into bench/out/quick
//	go run ./bench -full              half an hour; into bench/out/full
//	go run ./bench -run 'load|swap'   some families
//	go run ./bench -publish           makes bench/out/full the committed run
//	go run ./bench -redraw            the report of the committed run; into bench/out/committed
//	go run ./bench -guard             whether the ratios that the README states still hold
//
// Committed are a run's samples, the summary of its report and a few plots, in docs/benchmarks,
// and its figures in README.md and docs/performance.md. Git ignores bench/out.
//
// It builds what it measures: programs in Go, in C (liburcu, Concurrency Kit) and in Rust
// (crossbeam). What can't be built here is left out, and the report says how to get it.
// Each measurement is a process of its own. Peers take turns, repetition by repetition,
// in an order that changes, so that the machine's drift hits all alike.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"os/signal"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/report"
	"github.com/gosmr/gosmr/bench/internal/run"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := start(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// settings are what a run is told.
type settings struct {
	full     bool
	chosen   bool           // -run was given
	only     *regexp.Regexp // families
	peers    *regexp.Regexp
	procs    ints
	reps     int
	duration time.Duration // of a measurement
	seed     uint64
	out      string
}

// start does what the arguments ask for: one of the modes, or to measure.
func start(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	var set settings
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.BoolVar(&set.full, "full", false, "everything, which takes half an hour, not the quick mode, which takes two minutes")
	only := f.String("run", "", "only families that match this `regexp`; instructions are counted if -full, or if this matches them")
	peers := f.String("peers", "", "only peers that match this `regexp`")
	f.Var(&set.procs, "procs", "processors, separated by commas (default 1 and all, and between where it is of interest)")
	f.IntVar(&set.reps, "reps", 0, "repetitions (default 3; 5 if -full)")
	f.DurationVar(&set.duration, "time", 0, "of one measurement (default 20ms; 100ms if -full)")
	f.Uint64Var(&set.seed, "seed", 1, "of keys, orders and turns")
	f.StringVar(&set.out, "out", "", "`directory` of the whole report (default bench/out/quick; full, or committed, with the flag)")
	guarding := f.Bool("guard", false, "measure the ratios that the README states, and fail if one is off by more than a factor of two")
	publishing := f.Bool("publish", false, "make the run in -out (default bench/out/full) the committed one; measure nothing")
	redraw := f.Bool("redraw", false, "write the whole report of the committed run, its summary and its figures anew; measure nothing")
	if err := f.Parse(args); err != nil {
		return err
	}
	if f.NArg() > 0 {
		return fmt.Errorf("unexpected argument %q", f.Arg(0))
	}
	var err error
	if set.only, err = regexp.Compile(*only); err != nil {
		return err
	}
	if set.peers, err = regexp.Compile(*peers); err != nil {
		return err
	}
	set.chosen = *only != ""
	root, err := findRoot()
	if err != nil {
		return err
	}
	out := func(name string) string { return cmp.Or(set.out, filepath.Join(root, "bench", "out", name)) }
	switch {
	case *publishing:
		r, err := report.Read(out("full"))
		if err != nil {
			return err
		}
		return publish(root, r)
	case *redraw:
		r, err := report.Read(committedDir(root))
		if err != nil {
			return err
		}
		if err := report.Write(out("committed"), r); err != nil {
			return err
		}
		return publish(root, r)
	}
	if set.full {
		set.out = out("full")
	} else {
		set.out = out("quick")
	}
	set.defaults()
	return measure(ctx, root, args, set, *guarding, stdout, stderr)
}

// measure builds all programs and has them measure, for a report or for the guard.
func measure(ctx context.Context, root string, args []string, set settings, guarding bool, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "bench")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	show := progress(stderr)
	defer show("")
	all, missing, err := buildAll(ctx, filepath.Join(root, "bench"), dir, show)
	if err != nil {
		return err
	}
	for _, m := range missing {
		show("")
		fmt.Fprintf(stderr, "left out: %s: %s (%s)\n", m.Peers, m.Why, m.How)
	}
	if guarding {
		return guard(ctx, root, all, set, stdout, show)
	}

	cells := plan(all, set)
	counting := set.only.MatchString(family.Instructions) && (set.full || set.chosen)
	if len(cells) == 0 && !counting {
		return errors.New("nothing to measure matches -run and -peers")
	}
	r := &run.Run{
		Machine: machine(), Commit: commit(root), Command: "go run ./bench " + strings.Join(args, " "),
		Start: time.Now().UTC(), Seed: set.seed, Reps: set.reps, Full: set.full, Missing: missing,
	}
	samples, failed, err := measureAll(ctx, cells, set, show)
	if err != nil {
		return err
	}
	if counting {
		counted, uncounted, err := countAll(ctx, all[family.Instructions], set, show)
		if err != nil {
			return err
		}
		samples, failed = append(samples, counted...), append(failed, uncounted...)
	}
	r.Samples, r.Took = samples, time.Since(r.Start)
	r.Missing = append(r.Missing, failed...)
	show("drawing")
	if err := report.Write(set.out, r); err != nil {
		return err
	}
	show("")
	fmt.Fprintf(stdout, "%d measurements in %v: %s\n", len(samples), r.Took.Round(time.Second), filepath.Join(set.out, "README.md"))
	for _, m := range failed {
		fmt.Fprintf(stdout, "failed: %s: %s\n", m.Peers, m.Why)
	}
	if len(failed) > 0 {
		return fmt.Errorf("%d measurements failed", len(failed))
	}
	return nil
}

func (s *settings) defaults() {
	reps, duration := 3, 20*time.Millisecond
	if s.full {
		reps, duration = 5, 100*time.Millisecond
	}
	if s.reps <= 0 {
		s.reps = reps
	}
	if s.duration <= 0 {
		s.duration = duration
	}
}

// plan lists what is to be measured, in the order of the report: all but instructions, which
// are counted.
func plan(peers map[string][]peer, set settings) (cells []cell) {
	for _, f := range family.All {
		if f.Name == family.Instructions || !set.only.MatchString(f.Name) {
			continue
		}
		params := f.Quick
		if set.full {
			params = f.Full
		}
		if f.Param == "" {
			params = []int{0}
		}
		for _, param := range params {
			for _, procs := range processors(f, set) {
				for _, p := range peers[f.Name] {
					if set.peers.MatchString(p.name) {
						cells = append(cells, cell{p, f.Name, param, procs})
					}
				}
			}
		}
	}
	return cells
}

// processors are how many a family is measured on: one, and all there are.
func processors(f family.Family, set settings) []int {
	n := runtime.NumCPU()
	procs := []int(set.procs)
	if len(procs) == 0 {
		procs = []int{1, n}
		if f.Scale && set.full {
			for p := 2; p < n; p *= 2 {
				procs = append(procs, p)
			}
		}
	}
	if f.OneProc {
		procs = []int{slices.Max(procs)}
	}
	procs = slices.DeleteFunc(slices.Clone(procs), func(p int) bool { return p < f.MinProcs })
	slices.Sort(procs)
	return slices.Compact(procs)
}

// measureAll measures each cell so often, by turns. What fails is not tried again.
func measureAll(ctx context.Context, cells []cell, set settings, show func(string)) (samples []run.Sample, failed []run.Missing, err error) {
	out := make(map[cell]bool)
	began, done, total := time.Now(), 0, len(cells)*set.reps
	for rep := range set.reps {
		rnd := rand.New(rand.NewPCG(set.seed, uint64(rep)))
		for turn := range turns(cells) {
			rnd.Shuffle(len(turn), func(i, j int) { turn[i], turn[j] = turn[j], turn[i] })
			for _, c := range turn {
				done++
				if out[c] {
					continue
				}
				left := time.Duration(0)
				if done > 1 {
					left = time.Since(began) * time.Duration(total-done) / time.Duration(done-1)
				}
				show(fmt.Sprintf("%d of %d, %v left: %v", done, total, left.Round(time.Second), c))
				f, _ := family.Find(c.family)
				v, err := c.measure(ctx, set.duration*time.Duration(max(1, f.Longer)), set.seed)
				switch {
				case ctx.Err() != nil:
					return nil, nil, ctx.Err()
				case errors.Is(err, errCannot):
					out[c] = true
				case err != nil:
					out[c] = true
					failed = append(failed, run.Missing{Peers: c.String(), Why: err.Error()})
				}
				for _, metric := range slices.Sorted(maps.Keys(v)) {
					samples = append(samples, run.Sample{
						Family: c.family, Param: c.param, Procs: c.procs, Peer: c.name, Metric: metric, Rep: rep, Value: v[metric],
					})
				}
			}
		}
	}
	return samples, failed, nil
}

// turns yields the cells that are compared with one another.
func turns(cells []cell) func(yield func([]cell) bool) {
	return func(yield func([]cell) bool) {
		for len(cells) > 0 {
			n := 1
			for n < len(cells) && cells[n].family == cells[0].family && cells[n].param == cells[0].param && cells[n].procs == cells[0].procs {
				n++
			}
			if !yield(slices.Clone(cells[:n])) {
				return
			}
			cells = cells[n:]
		}
	}
}

// progress shows a line in place of the last one, "" for none; where that can't be done,
// now and then a line.
func progress(w io.Writer) func(string) {
	if f, ok := w.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return func(line string) { fmt.Fprintf(w, "\r\033[K%s", line) }
		}
	}
	var last time.Time
	return func(line string) {
		if line != "" && time.Since(last) > 10*time.Second {
			last = time.Now()
			fmt.Fprintln(w, line)
		}
	}
}

// findRoot returns the directory of the library's module, in or above this one.
func findRoot() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil && filepath.Dir(dir) != dir; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "bench", "worker")); err == nil {
			return dir, nil
		}
	}
	return "", errors.Join(errors.New("run it in a checkout of the library"), err)
}

// ints is a flag of numbers, separated by commas.
type ints []int

func (l *ints) String() string { return fmt.Sprint([]int(*l)) }

func (l *ints) Set(s string) error {
	*l = nil
	for f := range strings.SplitSeq(s, ",") {
		n, err := strconv.Atoi(f)
		if err != nil || n < 1 {
			return fmt.Errorf("not a positive number: %q", f)
		}
		*l = append(*l, n)
	}
	return nil
}

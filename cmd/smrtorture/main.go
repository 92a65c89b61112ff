// Smrtorture looks for errors in this library by using it as hard as it can.
//
//	go run ./cmd/smrtorture                                    # everything at once, ten seconds
//	go run -race ./cmd/smrtorture -scenario all -duration 5m   # one thing after the other
//	go run ./cmd/smrtorture -list                              # what there is
//	go run ./cmd/smrtorture -scenario baseline                 # beside locks
//	go run ./cmd/smrtorture -mutants                           # deliberate bugs: all must be found
//
// It prints PASS and exits with 0, or prints FAIL and a command that runs the same
// again, and exits with 1. Status 2 is for a command line that makes no sense. The
// idea is rcutorture of Linux.
//
// # What is checked
//
// Readers load elements from a few shared cells, hold them for a while, and check them again just
// before they leave their section. Writers replace the elements. An unlinked element is not reused
// at once: it ages by one stage with each grace period, ten stages in all.
//
//	       publish          unlink       grace period       8 more
//	free ───────────▶ live ────────▶ 1 ──────────────▶ 2 ─ ─ ─ ─ ─▶ 10 ──▶ free
//	                   0                payload poisoned
//	                  └─── a reader ───┘└──────── no reader ────────┘
//
// A reader that sees an age of 2 or more was in its section during a whole grace period, so that
// grace period ended early. The program prints the ages that readers saw: a good part at age 1
// shows that readers and writers did meet, and each age beyond says by how much a grace period was
// too short. (Elements of queues and pools are reused after one grace period, as users would do it:
// their ages end at 2, and then the next generation begins.)
//
// The payload is read, written and poisoned with plain loads and stores, and only the library
// orders a reader before the poisoning. So under -race a grace period that ends early is a data
// race, even if the reader happens to see the right values.
//
// The comment of each part says what else it checks: see scenarios.go for the list. Each goroutine
// has a pulse, so that one that hangs is found and named, with the stacks of all. A stalled reader
// is an error, too, unless a part stalls on purpose.
//
// # What is tried
//
// A scenario is a fixed configuration of parts. The options of its domains are drawn from the seed,
// anew for each scenario, and printed before it begins. The seed decides what each goroutine tries,
// but not the scheduling: runs with the same seed are alike, not equal. Sizes follow GOMAXPROCS.
//
// A scenario gets at least a second, in which the slowest element passes all of its ages. If
// -duration is too short for several scenarios, as many run as it has seconds, drawn from the seed.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"slices"
	"time"
)

func main() {
	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, cancel) // the second time it kills
	os.Exit(command(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// options are the command line.
type options struct {
	scenario string
	list     bool
	mutants  bool
	duration time.Duration
	seed     uint64
	hang     time.Duration
	failFast bool
}

const (
	defaultScenario = "mixed"
	defaultHang     = 30 * time.Second
)

func parse(args []string, stderr io.Writer) (*options, error) {
	var o options
	flags := flag.NewFlagSet("smrtorture", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&o.scenario, "scenario", defaultScenario,
		"what to run: `names`, separated by commas (see -list), or all")
	flags.BoolVar(&o.list, "list", false, "list the scenarios")
	flags.BoolVar(&o.mutants, "mutants", false,
		"build with deliberate bugs, one at a time, and see them found; -scenario chooses those of some scenarios")
	flags.DurationVar(&o.duration, "duration", 10*time.Second,
		"how long to run, all scenarios together; several that get less than 1s each take turns, drawn from the seed; with -mutants, each try")
	flags.Uint64Var(&o.seed, "seed", 0, "seed; 0 draws one")
	flags.DurationVar(&o.hang, "hang", defaultHang, "a goroutine that makes no progress for so long is an error")
	flags.BoolVar(&o.failFast, "failfast", false, "end at the first error")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	given := make(map[string]bool)
	flags.Visit(func(f *flag.Flag) { given[f.Name] = true })
	if o.mutants && !given["scenario"] {
		o.scenario = "all"
	}
	switch {
	case flags.NArg() > 0:
		return &o, fmt.Errorf("unexpected argument %q", flags.Arg(0))
	case o.duration <= 0:
		return &o, fmt.Errorf("-duration %v is not positive", o.duration)
	case o.hang < time.Second:
		return &o, fmt.Errorf("-hang %v is less than a second", o.hang)
	}
	return &o, nil
}

// command is main with its surroundings as arguments; it returns the exit status.
func command(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	o, err := parse(args, stderr)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if o == nil {
		return 2 // flag has said why
	}
	var chosen []*scenario
	if err == nil {
		chosen, err = choose(o.scenario)
	}
	if err == nil && o.mutants && !slices.ContainsFunc(chosen, (*scenario).hasMutants) {
		err = errors.New("-mutants: no deliberate bug is for these scenarios")
	}
	if err != nil {
		fmt.Fprintf(stderr, "smrtorture: %v\n", err)
		return 2
	}
	if o.list {
		for i := range scenarios {
			fmt.Fprintf(stdout, "%-18s %s\n", scenarios[i].name, scenarios[i].what)
		}
		return 0
	}
	if o.seed == 0 {
		o.seed = rand.Uint64()>>1 + 1 // not 0, which would draw another
	}
	fmt.Fprintf(stdout, "seed %#x, %s %s/%s, %d CPUs, GOMAXPROCS %d\n", o.seed,
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0))
	if o.mutants {
		return runMutants(ctx, chosen, o, stdout, stderr)
	}
	return runAll(ctx, chosen, o, stdout)
}

// leastShare is the least time for one of several scenarios: an element passes its ten ages in half
// a second at the longest MaxDelay.
const leastShare = time.Second

// plan returns the scenarios to run, and how long each runs. If there is too little time for all it
// draws some from the seed.
func plan(chosen []*scenario, o *options) (run []*scenario, share time.Duration) {
	n := max(1, min(len(chosen), int(o.duration/leastShare)))
	if n == len(chosen) {
		return chosen, o.duration / time.Duration(n)
	}
	for _, i := range rand.New(rand.NewPCG(o.seed, 0)).Perm(len(chosen))[:n] {
		run = append(run, chosen[i])
	}
	return run, o.duration / time.Duration(n)
}

// runAll runs scenarios one after the other, and returns the exit status.
func runAll(ctx context.Context, chosen []*scenario, o *options, stdout io.Writer) int {
	all := len(chosen)
	chosen, share := plan(chosen, o)
	if len(chosen) < all {
		fmt.Fprintf(stdout, "%v is time for %d of %d scenarios, drawn from the seed; -duration %v for all\n",
			o.duration, len(chosen), all, time.Duration(all)*leastShare)
	}
	var reports []*report
	var failed []string
	for _, sc := range chosen {
		if ctx.Err() != nil && len(reports) > 0 {
			fmt.Fprintf(stdout, "\ninterrupted: %s and what follows was not run\n", sc.name)
			break
		}
		command := reproducer(sc.name, o, share)
		again := "reproduce: " + command
		// The command at once, in case that the program is killed by what it finds.
		fmt.Fprintf(stdout, "\n== %s: %s\n%s\n", sc.name, sc.what, command)
		var last progress
		rep := sc.run(ctx, settings{
			seed:      o.seed,
			duration:  share,
			hangLimit: o.hang,
			failFast:  o.failFast,
			began:     func(drawn string) { fmt.Fprintln(stdout, drawn) },
			progress: func(p progress) {
				fmt.Fprintf(stdout, "%s %v\n", sc.name, p.since(last))
				last = p
			},
			fatal: func(r *rig, text string) {
				r.faults.write(stdout)
				fmt.Fprintf(stdout, "%s\nFAIL\n%s\n", allStacks(), again)
				os.Exit(1) // what hangs can't be stopped
			},
		})
		rep.write(stdout)
		reports = append(reports, rep)
		if !rep.ok() {
			fmt.Fprintln(stdout, again)
			failed = append(failed, again)
			if o.failFast {
				break
			}
		}
	}
	if len(reports) > 1 {
		writeSummary(stdout, reports)
	}
	if len(failed) > 0 {
		fmt.Fprintln(stdout, "FAIL")
		for _, again := range failed {
			fmt.Fprintln(stdout, again)
		}
		return 1
	}
	fmt.Fprintln(stdout, "PASS")
	return 0
}

// Smrtorture looks for errors in package smr by using it as hard as it can.
//
//	go run ./cmd/smrtorture -duration 1m
//	go run -race ./cmd/smrtorture -duration 1m
//
// It prints PASS and exits with 0, or prints FAIL and a command to try again
// with and exits with 1. The idea is rcutorture of Linux.
//
// # What is checked
//
// Readers load elements from a few shared cells, hold them for a while, and look
// at them again just before they leave their section. Writers replace the
// elements. An element that was unlinked is not used again at once: it ages by
// one stage with every grace period, ten stages long.
//
//	       publish          unlink       grace period       8 more
//	free ───────────▶ live ────────▶ 1 ──────────────▶ 2 ─ ─ ─ ─ ─▶ 10 ──▶ free
//	                   0                payload poisoned
//	                  └─── a reader ───┘└──────── no reader ────────┘
//
// A reader that sees an age of 2 or more was in its section during a whole grace
// period, so that grace period ended early. How old the elements were that
// readers saw is printed; a good part at age 1 shows that readers and writers
// did meet, and each one beyond says by how much a grace period was too short.
//
// The payload is read, written and poisoned with plain loads and stores, and
// nothing but the library orders a reader before the one that poisons. So under
// -race a grace period that ends early is a data race, also when the reader
// happens to see the right values.
//
// Beside that: that a Barrier waits for all callbacks and that each runs once;
// that Throttle holds its bound and Close waits for everything; that goals that
// were never issued are refused; that a stalled reader is reported (-stall); and
// that nobody hangs.
//
// # What is tried
//
// Readers use every kind of section, nested and overlapping, left by another
// goroutine than entered, in goroutines that read once and exit; they spin,
// yield and sleep in them. Writers get their grace periods in every way there
// is: see writerKinds. Meanwhile GOMAXPROCS changes, and other domains come and
// go. Now and then all of them pause for duels, where a few goroutines do one
// thing as fast as they can: see duel.go. The options of the domains are drawn
// from the seed.
//
// A seed decides what each goroutine tries, but not how they are scheduled: a
// run with the same seed is alike, not equal.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"time"
)

func main() {
	os.Exit(command(os.Args[1:], os.Stdout, os.Stderr))
}

// command is main with its surroundings as arguments; it returns the exit
// status.
func command(args []string, stdout, stderr io.Writer) int {
	cfg := defaultConfig()
	flags := flag.NewFlagSet("smrtorture", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.DurationVar(&cfg.duration, "duration", 10*time.Second, "how long to run")
	flags.IntVar(&cfg.readers, "readers", cfg.readers, "number of reading goroutines")
	flags.IntVar(&cfg.writers, "writers", cfg.writers, "number of writing goroutines")
	flags.Uint64Var(&cfg.seed, "seed", 0, "seed; 0 draws one")
	flags.BoolVar(&cfg.toggle, "toggle", true, "change GOMAXPROCS all the time: 1, 2, -procs")
	flags.IntVar(&cfg.procs, "procs", cfg.procs, "the largest GOMAXPROCS of -toggle")
	flags.BoolVar(&cfg.duels, "duels", true, "pause now and then for duels of one reader and one writer")
	flags.DurationVar(&cfg.stall, "stall", 0, "have one reader stay in its section for this long, to be reported")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "smrtorture: unexpected argument %q\n", flags.Arg(0))
		return 2
	}
	if cfg.seed == 0 {
		cfg.seed = rand.Uint64()>>1 + 1 // not 0, which would draw another
	}
	again := commandLine(flags)
	fmt.Fprintln(stdout, again)
	fmt.Fprintf(stdout, "%s %s/%s, %d CPUs, GOMAXPROCS %d\n",
		runtime.Version(), runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), runtime.GOMAXPROCS(0))
	fmt.Fprintf(stdout, "domain: %s\n", describeOptions(cfg.options()))

	cfg.progress = func(p progress) { fmt.Fprintln(stdout, p) }
	cfg.hung = func(who string) {
		fmt.Fprintf(stdout, "error: %s made no progress for %v\n", who, cfg.hangLimit())
		fmt.Fprintf(stdout, "%s\nFAIL\ntry again: %s\n", allStacks(), again)
		os.Exit(1) // what hangs can't be stopped
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	rep, err := run(ctx, cfg)
	if err != nil {
		fmt.Fprintf(stderr, "smrtorture: %v\n", err)
		return 2
	}
	rep.write(stdout)
	if !rep.ok() {
		fmt.Fprintf(stdout, "FAIL\ntry again: %s\n", again)
		return 1
	}
	fmt.Fprintln(stdout, "PASS")
	return 0
}

// mutantEnv names the deliberate bug in a library built with -tags smr_mutant.
const mutantEnv = "SMR_MUTANT"

// commandLine returns the command that runs the same again: in the same build,
// with every flag spelled out, since defaults depend on the machine.
func commandLine(flags *flag.FlagSet) string {
	var b strings.Builder
	if name := os.Getenv(mutantEnv); name != "" {
		fmt.Fprintf(&b, "%s=%s ", mutantEnv, name)
	}
	b.WriteString("go run")
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			switch {
			case s.Key == "-race" && s.Value == "true":
				b.WriteString(" -race")
			case s.Key == "-tags":
				fmt.Fprintf(&b, " -tags %s", s.Value)
			}
		}
	}
	b.WriteString(" ./cmd/smrtorture")
	flags.VisitAll(func(f *flag.Flag) { fmt.Fprintf(&b, " -%s=%v", f.Name, f.Value) })
	return b.String()
}

func allStacks() []byte {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) || len(buf) >= 64<<20 {
			return buf[:n]
		}
		buf = make([]byte, 2*len(buf))
	}
}

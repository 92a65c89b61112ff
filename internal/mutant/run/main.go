// Command run builds each bug of package mutant, one at a time, and runs the tests that must
// catch it. It prints a line for each, with what it was caught by, and exits with status 1 if
// one survives.
//
// Usage, in the module's root:
//
//	go run ./internal/mutant/run [name ...]         # all, or these
//	go run ./internal/mutant/run -part 0.5          # half of them, drawn anew each time
//	go run ./internal/mutant/run -chance 0.25       # by chance only some of what schedules catch
//	go run ./internal/mutant/run -list              # what there are, and what catches them
//	go run ./internal/mutant/run -overlay DIR name  # for go build -overlay, into DIR
//
// With -generate it tries bugs that nobody thought of, as package generate makes them:
//
//	go run ./internal/mutant/run -generate -results FILE         # of all packages; takes days
//	go run ./internal/mutant/run -generate -sample 50 clock smr  # some of two packages
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gosmr/gosmr/internal/mutant"
)

// tries is how often a test that goes by chance is run before the bug counts as a
// survivor: whether a litmus test meets a reordering within its half second depends on
// what else the machine is doing.
const tries = 5

// A bug that makes a test hang is caught by a timeout, of hangs and slower times what the
// test takes without a bug.
const (
	hangs  = 10 * time.Second
	slower = 5
	most   = 2 * time.Minute // without a bug
)

// soundPart is the part of the schedules that are explored without a bug. It shows that the
// program works; that there is no bug is for go test to find out, by all of them.
const soundPart = 0.1

func main() {
	part := flag.Float64("part", 1, "the `part` of the bugs to try; they are drawn")
	chance := flag.Float64("chance", 1, "the `part` of the other tests of bugs that are caught to try as well; they are drawn")
	list := flag.Bool("list", false, "print the bugs, what each allows, and what catches it")
	overlay := flag.String("overlay", "", "write the named bug's overlay into this `directory`, and print its path")
	generated := flag.Bool("generate", false, "try generated mutants, of all packages or these")
	var s survey
	s.flags()
	flag.Parse()
	err := errors.New("-overlay takes one name")
	switch {
	case *list:
		err = printBugs(os.Stdout)
	case *generated:
		err = s.try(flag.Args())
	case *overlay == "":
		err = run(flag.Args(), *part, *chance)
	case flag.NArg() == 1:
		err = printOverlay(*overlay, flag.Arg(0))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A check is one way to look for a bug: a test in a build.
type check struct {
	bug       mutant.Bug
	test      string
	flags     []string // of go test
	env       []string // of the build and the test
	schedules bool     // finds what it finds each time
	also      bool     // is of a test that must catch the bug though others do
}

// name names what must be caught by some check: the bug, or the bug by one of its Also tests.
func (c check) name() string {
	if c.also {
		return c.bug.Name + " by " + c.test
	}
	return c.bug.Name
}

// checks returns how b is looked for.
func checks(b mutant.Bug) (all []check) {
	var env []string
	if b.Arch != "" {
		env = []string{"GOARCH=" + b.Arch}
	}
	if b.Schedules != "" {
		all = append(all, check{b, b.Schedules, []string{"-tags", "smr_sched," + b.Tags}, env, true, false})
	}
	flags := []string{"-tags", b.Tags}
	if b.Race {
		flags = append(flags, "-race")
	}
	if b.Test != "" {
		all = append(all, check{b, b.Test, flags, env, false, false})
	}
	for _, test := range b.Also {
		all = append(all, check{b, test, flags, env, false, true})
	}
	return all
}

// printBugs prints a table in Markdown.
func printBugs(w io.Writer) error {
	var b strings.Builder
	b.WriteString("| mutant | what it allows | caught by |\n|---|---|---|\n")
	for _, bug := range mutant.Bugs() {
		fmt.Fprintf(&b, "| `%s` | %s | `%s`", bug.Name, bug.Why, bug.Package)
		for _, of := range []string{bug.Tags, bug.Arch} {
			if of != "" {
				fmt.Fprintf(&b, " (%s)", of)
			}
		}
		for _, test := range append([]string{bug.Test, bug.Schedules}, bug.Also...) {
			if test != "" {
				fmt.Fprintf(&b, " `%s`", test)
			}
		}
		b.WriteString(" |\n")
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func printOverlay(dir, name string) error {
	b, ok := mutant.Named(name)
	if !ok {
		return fmt.Errorf("there is no mutant %s; -list prints them", name)
	}
	path, err := b.WriteOverlay(".", dir)
	if err == nil {
		fmt.Println(path)
	}
	return err
}

// A runner keeps what it has built, which tests pass without a bug, and which bugs
// were caught.
type runner struct {
	dir string

	mu     sync.Mutex
	built  map[string]func() (string, error)
	passed map[string]func() (time.Duration, error)
	caught map[string]bool

	batches map[string]func() ([]batch, error) // of the steps of a survey
}

// newRunner returns a runner, whose dir the caller removes.
func newRunner() (*runner, error) {
	dir, err := os.MkdirTemp("", "mutants")
	return &runner{
		dir:     dir,
		built:   make(map[string]func() (string, error)),
		passed:  make(map[string]func() (time.Duration, error)),
		caught:  make(map[string]bool),
		batches: make(map[string]func() ([]batch, error)),
	}, err
}

func run(only []string, part, chance float64) error {
	r, err := newRunner()
	if err != nil {
		return err
	}
	defer os.RemoveAll(r.dir)

	// The scheduler lets one goroutine run at a time, so as many of its tests run as
	// there are processors; and so do the tests of bugs that need no rare interleaving. What is
	// left needs the processors to itself.
	tried := 0
	var names []string // of what must be caught
	var atOnce, alone []check
	for _, name := range only {
		if _, ok := mutant.Named(name); !ok {
			return fmt.Errorf("there is no mutant %s; -list prints them", name)
		}
	}
	for _, b := range mutant.Bugs() {
		if len(only) > 0 && !slices.Contains(only, b.Name) || rand.Float64() >= part {
			continue
		}
		tried++
		names = append(names, b.Name)
		for _, c := range checks(b) {
			switch {
			case !c.schedules && (b.Schedules != "" || c.also) && rand.Float64() >= chance:
				continue
			case c.schedules || b.Schedules == "":
				atOnce = append(atOnce, c)
			default:
				alone = append(alone, c)
			}
			if c.also {
				names = append(names, c.name())
			}
		}
	}
	if err := r.tryAll(atOnce, runtime.GOMAXPROCS(0)); err != nil {
		return err
	}
	if err := r.tryAll(alone, 1); err != nil {
		return err
	}
	survivors := 0
	for _, name := range names {
		if !r.caught[name] {
			fmt.Printf("%-14s %s\n", "SURVIVED", name)
			survivors++
		}
	}
	fmt.Printf("%d bugs tried, %d survived\n", tried, survivors)
	if survivors > 0 {
		return fmt.Errorf("%d bugs were not caught", survivors)
	}
	return nil
}

// tryAll tries the checks, some at a time, and prints a line for each.
func (r *runner) tryAll(all []check, atOnce int) error {
	errs := make([]error, len(all))
	each(len(all), atOnce, func(i int) bool {
		errs[i] = r.try(all[i])
		return true
	})
	return errors.Join(errs...)
}

// each calls do for each number below n, in that many goroutines. One of them ends when do returns
// false.
func each(n, atOnce int, do func(i int) (goOn bool)) {
	var wg sync.WaitGroup
	var next atomic.Int64
	for range atOnce {
		wg.Go(func() {
			for i := int(next.Add(1)) - 1; i < n && do(i); i = int(next.Add(1)) - 1 {
			}
		})
	}
	wg.Wait()
}

// once returns what f did when it was first called for the key.
func once[T any](r *runner, done map[string]func() (T, error), key string, f func() (T, error)) (T, error) {
	r.mu.Lock()
	if done[key] == nil {
		done[key] = sync.OnceValues(f)
	}
	f = done[key]
	r.mu.Unlock()
	return f()
}

// try runs the check's test until it catches the bug, and prints what came of it.
func (r *runner) try(c check) error {
	args := append(slices.Clone(c.flags), c.bug.Package)
	sound, err := once(r, r.built, strings.Join(append(args, c.env...), " "), func() (string, error) { return r.build(c, args) })
	if err != nil {
		return err
	}
	// Without a bug the test must pass, or its failing shows nothing.
	takes, err := once(r, r.passed, sound+" "+c.test, func() (time.Duration, error) {
		began := time.Now()
		out, err := c.run(sound, most, fmt.Sprint("SMR_SCHEDULES=", soundPart))
		if err != nil {
			err = fmt.Errorf("%s fails without a bug: %w\n%s", c.test, err, out)
		}
		takes := time.Since(began)
		if c.schedules {
			takes *= time.Duration(1 / soundPart)
		}
		return takes, err
	})
	if err != nil {
		return err
	}

	began := time.Now()
	overlay, err := c.bug.WriteOverlay(".", r.dir)
	if err != nil {
		return err
	}
	c.env = append(slices.Clone(c.env), "GOFLAGS="+os.Getenv("GOFLAGS")+" -overlay="+overlay) // also for a test that builds
	bin, err := r.build(c, args)
	if err != nil {
		return fmt.Errorf("mutant %s does not build: %w", c.bug.Name, err)
	}
	defer os.Remove(bin)
	// What goes by chance may have none; then the schedules must have caught the bug.
	verdict, why, left := "missed", "", tries
	if c.schedules || r.isCaught(c.name()) {
		left = 1
	}
	for n := 1; n <= left && verdict == "missed"; n++ {
		if out, err := c.run(bin, hangs+slower*takes); err != nil {
			verdict, why = "caught", how(out)
			if n > 1 {
				verdict = fmt.Sprintf("caught, try %d", n)
			}
			r.setCaught(c.name())
		}
	}
	fmt.Printf("%-14s %-24s %-42s %5.1f s  %s\n", verdict, c.bug.Name, c.test, time.Since(began).Seconds(), why)
	return nil
}

func (r *runner) isCaught(name string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.caught[name]
}

func (r *runner) setCaught(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.caught[name] = true
}

// build builds a test binary and returns its path; the arguments are those of go test.
func (r *runner) build(c check, args []string) (bin string, err error) {
	f, err := os.CreateTemp(r.dir, "*.test")
	if err != nil {
		return "", err
	}
	f.Close()
	cmd := exec.Command("go", append([]string{"test", "-c", "-o", f.Name()}, args...)...)
	cmd.Env = append(os.Environ(), c.env...)
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("go test -c %s: %w", strings.Join(args, " "), err)
	}
	return f.Name(), nil
}

func (c check) run(bin string, timeout time.Duration, env ...string) (string, error) {
	cmd := exec.Command(bin, "-test.run", "^"+c.test+"$", "-test.timeout", timeout.String())
	cmd.Dir = c.bug.Package
	cmd.Env = slices.Concat(os.Environ(), c.env, env)
	out, err := cmd.CombinedOutput()
	if err == nil && strings.Contains(string(out), "no tests to run") {
		return string(out), fmt.Errorf("no test named %s", c.test)
	}
	return string(out), err
}

// how picks the line that tells by what the bug was caught.
func how(out string) string {
	if strings.Contains(out, "WARNING: DATA RACE") {
		return "the race detector"
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		for _, mark := range []string{"Error:", "Messages:", "panic:", "fatal error:"} {
			if rest, ok := strings.CutPrefix(line, mark); ok {
				return strings.TrimSpace(mark + rest)
			}
		}
		if strings.Contains(line, "_test.go:") && !strings.Contains(line, "Error Trace") {
			return line
		}
	}
	return ""
}

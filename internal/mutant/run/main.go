// Command run switches each bug of package mutant on, one at a time, and runs
// the tests that must catch it. It prints a line for each, with what it was caught by,
// and exits with status 1 if one survives.
//
// Usage, in the module's root:
//
//	go run ./internal/mutant/run [name ...]
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gosmr/gosmr/internal/mutant"
)

// timeout bounds one test: a bug that makes it hang is caught by it. tries is how
// often a test is run before the bug counts as a survivor: whether a litmus test
// meets a reordering within its half second depends on what else the machine is
// doing.
const (
	timeout = "40s"
	tries   = 5
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// A check is one way to look for a bug: a test in a build.
type check struct {
	pkg, test string
	flags     []string // of go test
	tries     int
}

// checks returns how b is looked for.
func checks(b mutant.Bug) (all []check) {
	if b.Test != "" {
		c := check{b.Package, b.Test, []string{"-tags", "smr_mutant"}, tries}
		if b.Race() {
			c.flags = append(c.flags, "-race")
		}
		all = append(all, c)
	}
	if b.Schedules != "" { // finds what it finds each time
		all = append(all, check{b.Package, b.Schedules, []string{"-tags", "smr_mutant,smr_sched"}, 1})
	}
	return all
}

// A runner keeps what it has built, and which tests pass without a bug.
type runner struct {
	dir      string
	binaries map[string]string
	passes   map[string]bool
}

func run(only []string) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	r := &runner{dir: dir, binaries: make(map[string]string), passes: make(map[string]bool)}
	tried, survivors := 0, 0
	for _, b := range mutant.Bugs {
		if len(only) > 0 && !slices.Contains(only, string(b.Name)) {
			continue
		}
		tried++
		caught := false
		for _, c := range checks(b) {
			verdict, out, err := r.try(c, b.Name)
			if err != nil {
				return err
			}
			caught = caught || verdict != missed
			fmt.Printf("%-14s %-24s %-42s %s\n", verdict, b.Name, c.test, how(out))
		}
		if !caught {
			fmt.Printf("%-14s %s\n", "SURVIVED", b.Name)
			survivors++
		}
	}
	fmt.Printf("%d bugs tried, %d survived\n", tried, survivors)
	if survivors > 0 {
		return fmt.Errorf("%d bugs were not caught", survivors)
	}
	return nil
}

// missed is the verdict of a test that goes by chance and had none; then the schedules
// must catch the bug.
const missed = "missed"

// try runs the test until it catches the bug.
func (r *runner) try(c check, name mutant.Name) (verdict, out string, err error) {
	bin, err := r.build(c)
	if err != nil {
		return "", "", err
	}
	// Without a bug the test must pass, or its failing shows nothing.
	if key := bin + c.test; !r.passes[key] {
		if out, err := c.run(bin, ""); err != nil {
			return "", "", fmt.Errorf("%s fails without a bug: %w\n%s", c.test, err, out)
		}
		r.passes[key] = true
	}
	for n := 1; n <= c.tries; n++ {
		out, err := c.run(bin, name)
		switch {
		case err != nil && n == 1:
			return "caught", out, nil
		case err != nil:
			return fmt.Sprintf("caught, try %d", n), out, nil
		}
	}
	return missed, "", nil
}

// build returns the package's test binary.
func (r *runner) build(c check) (bin string, err error) {
	key := c.pkg + strings.Join(c.flags, " ")
	bin, ok := r.binaries[key]
	if ok {
		return bin, nil
	}
	bin = filepath.Join(r.dir, fmt.Sprintf("%d.test", len(r.binaries)))
	build := exec.Command("go", append(append([]string{"test", "-c"}, c.flags...), "-o", bin, c.pkg)...)
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		return "", fmt.Errorf("build %s: %w", c.pkg, err)
	}
	r.binaries[key] = bin
	return bin, nil
}

func (c check) run(bin string, name mutant.Name) (string, error) {
	cmd := exec.Command(bin, "-test.run", "^"+c.test+"$", "-test.timeout", timeout)
	cmd.Dir = c.pkg
	cmd.Env = append(os.Environ(), mutant.Env+"="+string(name))
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

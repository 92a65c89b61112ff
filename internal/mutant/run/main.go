// Command run switches each bug of package mutant on, one at a time, and runs
// the test that must catch it. It prints a line for each and exits with status
// 1 if one survives.
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

func run(only []string) error {
	dir, err := os.MkdirTemp("", "mutants")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	binaries := make(map[string]string)
	survivors := 0
	tried := 0
	for _, b := range mutant.Bugs {
		if len(only) > 0 && !slices.Contains(only, string(b.Name)) {
			continue
		}
		flags, key := []string{"-tags", "smr_mutant"}, filepath.Base(b.Package)
		if b.Race() {
			flags, key = append(flags, "-race"), key+".race"
		}
		bin, ok := binaries[key]
		if !ok {
			bin = filepath.Join(dir, key+".test")
			build := exec.Command("go", append(append([]string{"test", "-c"}, flags...), "-o", bin, b.Package)...)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				return fmt.Errorf("build %s: %w", b.Package, err)
			}
			binaries[key] = bin
		}
		tried++
		// Without a bug the test must pass, or its failing shows nothing.
		if out, err := runTest(bin, b, ""); err != nil {
			return fmt.Errorf("%s fails without a bug: %w\n%s", b.Test, err, out)
		}
		verdict, out := try(bin, b)
		if verdict == survived {
			survivors++
		}
		fmt.Printf("%-14s %-24s %-42s %s\n", verdict, b.Name, b.Test, how(out))
	}
	fmt.Printf("%d bugs tried, %d survived\n", tried, survivors)
	if survivors > 0 {
		return fmt.Errorf("%d bugs were not caught", survivors)
	}
	return nil
}

const survived = "SURVIVED"

// try runs the test until it catches the bug.
func try(bin string, b mutant.Bug) (verdict, out string) {
	for n := 1; n <= tries; n++ {
		out, err := runTest(bin, b, b.Name)
		switch {
		case err != nil && n == 1:
			return "caught", out
		case err != nil:
			return fmt.Sprintf("caught, try %d", n), out
		}
	}
	return survived, ""
}

func runTest(bin string, b mutant.Bug, name mutant.Name) (string, error) {
	cmd := exec.Command(bin, "-test.run", "^"+b.Test+"$", "-test.timeout", timeout)
	cmd.Dir = b.Package
	cmd.Env = append(os.Environ(), "SMR_MUTANT="+string(name))
	out, err := cmd.CombinedOutput()
	if err == nil && strings.Contains(string(out), "no tests to run") {
		return string(out), fmt.Errorf("no test named %s", b.Test)
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

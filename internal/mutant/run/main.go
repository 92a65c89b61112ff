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
	"time"

	"github.com/gosmr/gosmr/internal/mutant"
)

// timeout bounds one test: a bug that makes it hang is caught by it.
const timeout = "60s"

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
		bin, ok := binaries[b.Package]
		if !ok {
			bin = filepath.Join(dir, filepath.Base(b.Package)+".test")
			build := exec.Command("go", "test", "-c", "-tags", "smr_mutant", "-o", bin, b.Package)
			build.Stderr = os.Stderr
			if err := build.Run(); err != nil {
				return fmt.Errorf("build %s: %w", b.Package, err)
			}
			binaries[b.Package] = bin
		}
		tried++
		// Without a bug the test must pass, or its failing shows nothing.
		if out, err := runTest(bin, b, ""); err != nil {
			return fmt.Errorf("%s fails without a bug: %w\n%s", b.Test, err, out)
		}
		began := time.Now()
		out, err := runTest(bin, b, b.Name)
		verdict := "caught"
		if err == nil {
			verdict = "SURVIVED"
			survivors++
		}
		fmt.Printf("%-9s %-24s %-44s %6.2fs  %s\n", verdict, b.Name, b.Test, time.Since(began).Seconds(), how(out))
	}
	fmt.Printf("%d bugs tried, %d survived\n", tried, survivors)
	if survivors > 0 {
		return fmt.Errorf("%d bugs were not caught", survivors)
	}
	return nil
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

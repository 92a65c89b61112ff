// Package count counts the instructions of one operation, which a busy machine does not
// change.
//
// A program is run as
//
//	PROGRAM ARGS... N
//
// and executes an operation N times, on one thread. It runs under valgrind's callgrind,
// once with some N and once with 2N; what the second run executed more, divided by N, is
// one operation, and all that happens once is left out. The operation's loop is left in:
// compilers weave the two together. A path that is nothing but the loop tells about what
// it takes.
//
// Counted is what is executed in a function called counted_loop (in Go main.countedLoop),
// not inlined, and below it. The rest of the program does not count then, and neither do
// its other threads: in Go the collector, and the runtime's monitor. Without such a
// function all of the program counts, and executes more operations.
//
// Two things can disturb a count. The Go scheduler may preempt the loop, after 10 ms, and
// callgrind takes the change of stacks for the end of the function: hence few operations,
// and a median. And what depends on chance differs from run to run, as the place of a key
// in a map does, whose hash is seeded: such a path's last digits mean nothing.
//
// Callgrind counts instructions that user code executes, each as one: a locked one and one
// that misses all caches, too, and one that does nothing and is there for alignment.
// Valgrind 3.19 passes membarrier(2) on to the kernel, so that this library's readers, and
// liburcu's, execute under it what they execute elsewhere; bench/counted refuses where they
// don't.
package count

import (
	"bytes"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// Numbers of operations, where the program has a function that alone counts, and where
// everything does.
const (
	fewOps  = 1 << 10
	manyOps = 1 << 20
)

// runs of each number, of which the median counts.
const runs = 3

// Available returns nil if instructions can be counted here, else what is missing, and
// how to get it.
func Available() error {
	if _, err := exec.LookPath("valgrind"); err != nil {
		return errors.New("valgrind is not installed (Debian: apt install valgrind; Fedora: dnf install valgrind)")
	}
	return nil
}

// Measure returns how many instructions one operation of a program is, that is called
// with args and a number of operations.
func Measure(ctx context.Context, program string, args ...string) (instructions float64, err error) {
	if err := Available(); err != nil {
		return 0, err
	}
	dir, err := os.MkdirTemp("", "count")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	r := runner{filepath.Join(dir, "callgrind.out"), region(program), append([]string{program}, args...)}
	ops := fewOps
	if r.region == "" {
		ops = manyOps
	}
	once, err := r.median(ctx, ops)
	if err != nil {
		return 0, err
	}
	twice, err := r.median(ctx, 2*ops)
	if err != nil {
		return 0, err
	}
	return float64(twice-once) / float64(ops), nil
}

// region returns the name of the program's function that alone counts, or "" if it has none.
func region(program string) string {
	f, err := elf.Open(program)
	if err != nil {
		return "" // a script, perhaps
	}
	defer f.Close()
	symbols, _ := f.Symbols() // none if it is stripped
	for _, s := range symbols {
		if s.Name == "counted_loop" || s.Name == "main.countedLoop" {
			return s.Name
		}
	}
	return ""
}

type runner struct {
	out     string // the file that callgrind writes
	region  string
	program []string
}

// median returns the median count of some runs of n operations.
func (r runner) median(ctx context.Context, n int) (int64, error) {
	var counts [runs]int64
	for i := range counts {
		var err error
		if counts[i], err = r.count(ctx, n); err != nil {
			return 0, fmt.Errorf("count %s: %w", strings.Join(r.program, " "), err)
		}
	}
	slices.Sort(counts[:])
	return counts[runs/2], nil
}

// environment keeps the runtime from doing anything beside the operations.
func environment() []string {
	return append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
}

func (r runner) count(ctx context.Context, n int) (int64, error) {
	args := []string{"--quiet", "--tool=callgrind", "--callgrind-out-file=" + r.out}
	if r.region != "" {
		args = append(args, "--toggle-collect="+r.region)
	}
	cmd := exec.CommandContext(ctx, "valgrind", append(append(args, r.program...), strconv.Itoa(n))...)
	cmd.Env = environment()
	if out, err := cmd.CombinedOutput(); err != nil {
		return 0, fmt.Errorf("%w\n%s", err, out)
	}
	profile, err := os.ReadFile(r.out)
	if err != nil {
		return 0, err
	}
	for line := range bytes.Lines(profile) {
		if total, ok := bytes.CutPrefix(line, []byte("totals: ")); ok {
			return strconv.ParseInt(string(bytes.TrimSpace(total)), 10, 64)
		}
	}
	return 0, errors.New("callgrind wrote no totals")
}

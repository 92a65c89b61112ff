package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gosmr/gosmr/internal/mutant"
)

// inReach lists the deliberate bugs of package mutant that this program must find, with the
// scenario for each. Where chance may miss one, its schedule program decides: see hunt. The other
// bugs need an interleaving that is too rare to wait for, a kernel without membarrier, or a misuse;
// they have their own tests: see CONTRIBUTING.md.
var inReach = []struct {
	bug, scenario string
}{
	{"no-heavy-fence", "duel"},
	{"no-deferred-fence", "duel"},
	{"late-candidate", "duel"},
	{"foreign-goal", "domains"},
	{"future-goal", "domains"},
	{"uncommitted-goal", "domains"},
	{"no-wake", "wait"},
	{"lost-slots", "procs"},
	{"hand-over-by-store", "handover"},
	{"no-busy-wait", "handover"},
	{"stop-without-look", "handover"},
	{"barrier-is-synchronize", "barrier"},
	{"barrier-without-drain", "barrier"},
	{"no-throttle", "calls"},
	{"early-run", "calls"},
	{"assist-unpolled", "assist"},
	{"assist-in-callback", "assist"},
	{"no-release", "queues"},
	{"remove-clears-next", "queues"},
	{"replace-by-turns", "queues"},
	{"tail-kept", "queues"},
	{"append-loses-back-link", "queues"},
	{"cleared-after", "stw"},
	{"returns-in-service", "stw"},
	{"sense-before-reset", "stw"},
	{"leave-without-lock", "stw"},
	{"leader-ends", "stw"},
	{"orphans-dropped", "stw"},
	{"enters-alone", "stw"},
	{"leader-reads", "stw"},
	{"quiet-before-clear", "stw"},
	{"retire-is-free", "pool"},
	{"slab-before-readers", "pool"},
	{"no-cache-wait", "pool"},
	{"held-and-reused", "holds"},
	{"no-moved-check", "map"},
	{"unmap-at-once", "files"},
	{"truncate-first", "files"},
	{"hold-of-another", "files"},
	{"set-hold-of-another", "files"},
}

func (sc *scenario) hasMutants() bool {
	for _, m := range inReach {
		if m.scenario == sc.name {
			return true
		}
	}
	return false
}

// mutantHang replaces the default of -hang for programs with bugs, some of which make them hang.
const mutantHang = 6 * time.Second

// A breeder builds this program with bugs and runs it.
type breeder struct {
	dir      string // for the programs and tests
	seed     uint64
	duration time.Duration
	hang     time.Duration
	root     string          // of the repository
	built    map[string]bool // by path
}

func newBreeder(ctx context.Context, dir string, o *options) (*breeder, error) {
	root, err := exec.CommandContext(ctx, "go", "list", "-f", "{{.Module.Dir}}", module+"/clock").Output()
	if err != nil {
		return nil, fmt.Errorf("the bugs are patches of the sources, which go list must find: %w", err)
	}
	b := &breeder{
		dir: dir, seed: o.seed, duration: o.duration, hang: o.hang,
		root: strings.TrimSpace(string(root)), built: make(map[string]bool),
	}
	if b.hang == defaultHang {
		b.hang = mutantHang
	}
	return b, nil
}

// runMutants runs each bug that one of the chosen scenarios must find, and returns the exit status.
func runMutants(ctx context.Context, chosen []*scenario, o *options, stdout, stderr io.Writer) int {
	dir, err := os.MkdirTemp("", "smrtorture")
	if err != nil {
		fmt.Fprintf(stderr, "smrtorture: %v\n", err)
		return 2
	}
	defer os.RemoveAll(dir)
	b, err := newBreeder(ctx, dir, o)
	if err != nil {
		fmt.Fprintf(stderr, "smrtorture: %v\n", err)
		return 2
	}
	caught, survived := 0, 0
	for _, sc := range chosen {
		if !sc.hasMutants() {
			continue
		}
		// A scenario that fails without a bug shows nothing.
		switch how, err := b.try(ctx, "", sc.name, ""); {
		case err != nil:
			fmt.Fprintf(stderr, "smrtorture: %v\n", err)
			return 2
		case how != "":
			fmt.Fprintf(stdout, "FAIL\n%s fails without a bug: %s\n", sc.name, how)
			return 1
		}
		for _, m := range inReach {
			if m.scenario != sc.name {
				continue
			}
			how, err := b.hunt(ctx, m.bug, sc.name)
			switch {
			case ctx.Err() != nil:
				fmt.Fprintln(stdout, "interrupted")
				return 1
			case err != nil:
				fmt.Fprintf(stderr, "smrtorture: %v\n", err)
				return 2
			}
			verdict := "caught"
			if how == "" {
				verdict, survived = "SURVIVED", survived+1
			} else {
				caught++
			}
			fmt.Fprintf(stdout, "%-8s %-24s %-8s %s\n", verdict, m.bug, sc.name, how)
		}
	}
	fmt.Fprintf(stdout, "%d bugs were caught, %d survived\n", caught, survived)
	if survived > 0 {
		fmt.Fprintln(stdout, "FAIL")
		return 1
	}
	fmt.Fprintln(stdout, "PASS")
	return 0
}

// How often a scenario tries to find a bug. Some bugs need two processors at the same spot at the
// same time, which a busy machine does not offer. These also have a schedule program, which meets
// the interleaving each time: it decides, and the scenario only shows that it can find them, too.
// The others show under any interleaving.
const (
	tries         = 10
	triesByChance = 2 // where there is a schedule program
)

// hunt tries to find a bug by the scenario, alternately without and with the race detector, and
// then by its schedule program. It returns what found the bug, or "".
func (b *breeder) hunt(ctx context.Context, bug, scenario string) (how string, err error) {
	defer b.forget(bug)
	schedules := schedulesOf(bug)
	most := tries
	if schedules != nil {
		most = triesByChance
	}
	for try := range most {
		race := [...]string{"", "-race"}[try%2]
		how, err := b.try(ctx, bug, scenario, race)
		if err != nil || how != "" {
			return strings.TrimSpace(how + " " + race), err
		}
		b.seed++
	}
	if schedules == nil {
		return "", nil
	}
	found, err := b.trySchedules(ctx, schedules)
	if err != nil || !found {
		return "", err
	}
	return fmt.Sprintf("not by chance in %d tries, but by %s %s", most, schedules.Package, schedules.Schedules), nil
}

// schedulesOf returns the bug if it has a schedule program, or nil.
func schedulesOf(name string) *mutant.Bug {
	if b, ok := mutant.Named(name); ok && b.Schedules != "" {
		return &b
	}
	return nil
}

// trySchedules runs a bug's schedule program without the bug and with it, and reports whether the
// bug made it fail.
func (b *breeder) trySchedules(ctx context.Context, bug *mutant.Bug) (found bool, err error) {
	pkg := strings.Replace(bug.Package, ".", module, 1)
	run := func(name string) ([]byte, error) {
		path, err := b.build(ctx, name, filepath.Base(pkg)+".test", "test", "-c", "-tags", "smr_sched", pkg)
		if err != nil {
			return nil, err
		}
		ctx, cancel := context.WithTimeout(ctx, time.Minute+10*b.hang) // a bug may make it hang
		defer cancel()
		cmd := exec.CommandContext(ctx, path, "-test.run", "^"+bug.Schedules+"$", "-test.v")
		if name == "" {
			// To see that the program works, not that there is no bug: a part of the schedules.
			cmd.Env = append(os.Environ(), "SMR_SCHEDULES=0.1")
		}
		return cmd.CombinedOutput()
	}
	if out, err := run(""); err != nil || !bytes.Contains(out, []byte("=== RUN   "+bug.Schedules)) {
		return false, fmt.Errorf("%s of %s does not pass without a bug: %v\n%s", bug.Schedules, pkg, err, out)
	}
	_, err = run(bug.Name)
	var exit *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return false, ctx.Err()
	case errors.As(err, &exit):
		return true, nil
	}
	return false, err
}

const module = "github.com/gosmr/gosmr"

// build runs the go command, with the bug unless it is "", and returns the path of the result,
// which name tells apart from others. It builds each only once.
func (b *breeder) build(ctx context.Context, bug, name string, args ...string) (path string, err error) {
	path = filepath.Join(b.dir, name+"-"+bug)
	if b.built[path] {
		return path, nil
	}
	flags := []string{"-o", path}
	if bug != "" {
		m, ok := mutant.Named(bug)
		if !ok {
			return "", fmt.Errorf("there is no bug %s", bug)
		}
		overlay, err := m.WriteOverlay(b.root, b.dir)
		if err != nil {
			return "", err
		}
		flags = append(flags, "-overlay", overlay)
	}
	args = slices.Insert(args, 1, flags...)
	if out, err := exec.CommandContext(ctx, "go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	b.built[path] = true
	return path, nil
}

// forget removes the programs built with a bug.
func (b *breeder) forget(bug string) {
	for path := range b.built {
		if strings.HasSuffix(path, "-"+bug) {
			os.Remove(path)
			delete(b.built, path)
		}
	}
}

// try runs a scenario with a bug. It returns what found the bug, or "".
func (b *breeder) try(ctx context.Context, bug, scenario, flag string) (how string, err error) {
	args := []string{"build", module + "/cmd/smrtorture"}
	if flag != "" {
		args = slices.Insert(args, 1, flag)
	}
	path, err := b.build(ctx, bug, "smrtorture"+flag, args...)
	if err != nil {
		return "", err
	}
	// A hang ends the program by itself; this is for a hang in which it can't.
	ctx, cancel := context.WithTimeout(ctx, b.duration+6*b.hang+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-scenario", scenario, "-failfast",
		"-duration", b.duration.String(), "-hang", b.hang.String(), "-seed", fmt.Sprint(b.seed))
	cmd.Env = append(os.Environ(), "GORACE=halt_on_error=1", "TMPDIR="+b.dir) // where files of one that was ended go, too
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return "", nil
	case ctx.Err() != nil:
		return "hang: it had to be killed", nil
	case !errors.As(err, &exit):
		return "", fmt.Errorf("run %s: %w", path, err)
	}
	return foundBy(string(out)), nil
}

// foundBy returns how a run of this program, by its output, found an error.
func foundBy(out string) string {
	if strings.Contains(out, "WARNING: DATA RACE") {
		return "race detector"
	}
	for line := range strings.Lines(out) {
		line = strings.TrimSpace(line)
		for _, kind := range faultKinds {
			if strings.HasPrefix(line, kind+": ") && strings.HasSuffix(line, ", such as") {
				return kind
			}
		}
		for _, mark := range [...]string{"panic:", "fatal error:", "unexpected fault"} {
			if strings.HasPrefix(line, mark) {
				return line
			}
		}
	}
	return "exit status only"
}

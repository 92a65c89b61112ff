package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/gosmr/gosmr/internal/mutant"
)

// inReach says which of the deliberate bugs of package mutant a run of the torture
// program must find, and by which scenario. The others need an interleaving that is
// too rare to wait for, a kernel without membarrier, or a misuse; they have their own
// tests: see CONTRIBUTING.md.
var inReach = []struct {
	bug      mutant.Name
	scenario string
}{
	{mutant.NoHeavyFence, "duel"},
	{mutant.NoDeferredFence, "duel"},
	{mutant.LateCandidate, "duel"},
	{mutant.ForeignGoal, "domains"},
	{mutant.FutureGoal, "domains"},
	{mutant.UncommittedGoal, "domains"},
	{mutant.NoWake, "wait"},
	{mutant.NoNextLeader, "wait"},
	{mutant.ReachedForgetsLead, "wait"},
	{mutant.LostSlots, "procs"},
	{mutant.SealByStore, "handover"},
	{mutant.NoBusyWait, "handover"},
	{mutant.StopWithoutLook, "handover"},
	{mutant.BarrierIsSynchronize, "barrier"},
	{mutant.BarrierWithoutDrain, "barrier"},
	{mutant.NoThrottle, "calls"},
	{mutant.EarlyRun, "calls"},
	{mutant.NoRelease, "queues"},
	{mutant.RemoveClearsNext, "queues"},
	{mutant.ReplaceByTurns, "queues"},
	{mutant.TailKept, "queues"},
	{mutant.AppendLosesBackLink, "queues"},
	{mutant.ClearedAfter, "stw"},
	{mutant.ReturnsInService, "stw"},
	{mutant.SenseBeforeReset, "stw"},
	{mutant.LeaveWithoutLock, "stw"},
	{mutant.LeaderEnds, "stw"},
	{mutant.OrphansDropped, "stw"},
	{mutant.EntersAlone, "stw"},
	{mutant.LeaderReads, "stw"},
	{mutant.QuietBeforeClear, "stw"},
	{mutant.RetireIsFree, "pool"},
	{mutant.SlabBeforeReaders, "pool"},
	{mutant.NoCacheWait, "pool"},
	{mutant.NoMovedCheck, "map"},
}

func (sc *scenario) hasMutants() bool {
	for _, m := range inReach {
		if m.scenario == sc.name {
			return true
		}
	}
	return false
}

// mutantHang is what -hang is for programs with bugs, unless it is given: some of the
// bugs make them hang.
const mutantHang = 6 * time.Second

// A breeder builds this program with bugs and runs it.
type breeder struct {
	dir      string // for the programs
	seed     uint64
	duration time.Duration
	hang     time.Duration
	programs map[string]string // by what go build is given beside the tag
}

// runMutants runs each bug in reach that some of the chosen scenarios is to find, and
// returns the exit status.
func runMutants(ctx context.Context, chosen []*scenario, o *options, stdout, stderr io.Writer) int {
	dir, err := os.MkdirTemp("", "smrtorture")
	if err != nil {
		fmt.Fprintf(stderr, "smrtorture: %v\n", err)
		return 2
	}
	defer os.RemoveAll(dir)
	b := &breeder{dir: dir, seed: o.seed, duration: o.duration, hang: o.hang, programs: make(map[string]string)}
	if b.hang == defaultHang {
		b.hang = mutantHang
	}
	caught, survived := 0, 0
	for _, sc := range chosen {
		tested := false
		for _, m := range inReach {
			if m.scenario != sc.name {
				continue
			}
			if ctx.Err() != nil {
				fmt.Fprintln(stdout, "interrupted")
				return 1
			}
			if !tested { // a scenario that fails without a bug shows nothing
				how, err := b.try(ctx, "", sc.name, "")
				if err != nil {
					fmt.Fprintf(stderr, "smrtorture: %v\n", err)
					return 2
				}
				if how != "" {
					fmt.Fprintf(stdout, "FAIL\n%s fails without a bug: %s\n", sc.name, how)
					return 1
				}
				tested = true
			}
			how, err := b.hunt(ctx, m.bug, sc.name)
			if err != nil {
				fmt.Fprintf(stderr, "smrtorture: %v\n", err)
				return 2
			}
			verdict := "caught"
			if how == "" {
				verdict = "SURVIVED"
				survived++
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

// tries is how often a bug is looked for: some need two processors at the same spot at the
// same time, which a busy machine does not offer.
const tries = 10

// hunt tries a bug, without the race detector and with it, by turns. It returns what
// found it, or "".
func (b *breeder) hunt(ctx context.Context, bug mutant.Name, scenario string) (how string, err error) {
	for try := range tries {
		race := [...]string{"", "-race"}[try%2]
		how, err := b.try(ctx, bug, scenario, race)
		if err != nil || how != "" {
			return strings.TrimSpace(how + " " + race), err
		}
		b.seed++
	}
	return "", nil
}

// program returns the path of this program built with bugs, and with a flag of go
// build's.
func (b *breeder) program(ctx context.Context, flag string) (string, error) {
	if path, ok := b.programs[flag]; ok {
		return path, nil
	}
	path := filepath.Join(b.dir, "smrtorture"+flag)
	args := []string{"build", "-tags", "smr_mutant", "-o", path}
	if flag != "" {
		args = append(args, flag)
	}
	out, err := exec.CommandContext(ctx, "go", append(args, "github.com/gosmr/gosmr/cmd/smrtorture")...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	b.programs[flag] = path
	return path, nil
}

// try runs a scenario with a bug. It returns what found it, or "".
func (b *breeder) try(ctx context.Context, bug mutant.Name, scenario, flag string) (how string, err error) {
	path, err := b.program(ctx, flag)
	if err != nil {
		return "", err
	}
	// What hangs ends itself; this is for what hangs so that it can't.
	ctx, cancel := context.WithTimeout(ctx, b.duration+6*b.hang+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, "-scenario", scenario, "-failfast",
		"-duration", b.duration.String(), "-hang", b.hang.String(), "-seed", fmt.Sprint(b.seed))
	cmd.Env = append(os.Environ(), mutant.Env+"="+string(bug), "GORACE=halt_on_error=1")
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

// foundBy returns what an output of this program says of how an error was found.
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

package mistakes

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/invariants"
	"github.com/gosmr/gosmr/pcpu"
)

// A mistake is a program that makes it, and what finds it in each build.
type mistake struct {
	name  string
	group string // begins a group of mistakes
	run   func() // nil: testdata has the program, for vet
	sees  string

	what    string // the mistake
	instead string // what is right

	plain, race, invariants finding

	why string // why nothing finds it
}

// A finding is what a build makes of a mistake. The output contains each text, in which … is
// anything; the first text is the one to look for.
type finding struct {
	how   outcome
	texts []string
}

// An outcome is how a program ends, and the word that its output begins with, or that the test
// takes from it.
type outcome string

const (
	isUnnoticed outcome = "unnoticed"
	isHang      outcome = "hangs"
	isError     outcome = "error"
	isReport    outcome = "report"
	isPanic     outcome = "panic"
	isThrow     outcome = "fatal error"
	isFault     outcome = "fault"
	isPoison    outcome = "poison"
	isRace      outcome = "race"
	isVet       outcome = "vet"
)

var (
	nothing  = finding{how: isUnnoticed}
	poisoned = finding{isPoison, []string{"0xdbdbdbdbdbdbdbdb"}}
)

func hang(texts ...string) finding    { return finding{isHang, texts} }
func returns(texts ...string) finding { return finding{isError, texts} }
func reports(texts ...string) finding { return finding{isReport, texts} }
func panics(texts ...string) finding  { return finding{isPanic, texts} }
func throws(texts ...string) finding  { return finding{isThrow, texts} }
func faults(texts ...string) finding  { return finding{isFault, texts} }
func race(texts ...string) finding    { return finding{isRace, texts} }
func vets(texts ...string) finding    { return finding{isVet, texts} }

// finds reports whether something says that there is a mistake.
func (f finding) finds() bool { return f.how != isUnnoticed && f.how != isHang }

// found reports whether a build finds it.
func (m *mistake) found() bool {
	return m.plain.finds() || m.race.finds() || m.invariants.finds()
}

// here is the finding of this build.
func (m *mistake) here() finding {
	switch {
	case raceEnabled:
		return m.race
	case invariants.Enabled:
		return m.invariants
	}
	return m.plain
}

// variable names the mistake that this process is to make.
const variable = "SMR_MISTAKE"

func TestMain(m *testing.M) {
	name := os.Getenv(variable)
	if name == "" {
		os.Exit(m.Run())
	}
	for _, m := range mistakes {
		if m.name == name {
			m.run()
			end("bug: ", "the program is over")
		}
	}
	end("bug: ", "there is no mistake "+name)
}

// Each mistake, made in a process of its own, is found as the table says.
func TestMistakes(t *testing.T) {
	if raceEnabled && invariants.Enabled || !pcpu.Exclusive {
		t.Skip("the table has no column for this build")
	}
	for _, m := range mistakes {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			want := m.here()
			out := attempt(t, &m)
			for n := 1; n < tries && want.how == isRace && outcomeOf(out) == isUnnoticed; n++ {
				out = attempt(t, &m)
			}
			require.Equal(t, want.how, outcomeOf(out), out)
			for _, text := range want.texts {
				require.True(t, contains(out, text), "%q in:\n%s", text, out)
			}
		})
	}
}

// contains reports whether the parts of a text, between …, are in the output in this order.
func contains(out, text string) bool {
	for part := range strings.SplitSeq(text, "…") {
		_, rest, found := strings.Cut(out, strings.TrimSpace(part))
		if !found {
			return false
		}
		out = rest
	}
	return true
}

// tries is how often the race detector may miss a race: it forgets what a goroutine did that has ended.
const tries = 5

// watchdog is when a program counts as one that does not end.
const watchdog = time.Minute

// attempt makes a mistake and returns the output.
func attempt(t *testing.T, m *mistake) string {
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), variable+"="+m.name, "GORACE=halt_on_error=1 atexit_sleep_ms=0")
	if m.run == nil {
		cmd = exec.CommandContext(ctx, "go", "vet", "./testdata/"+m.name)
	}
	out, err := cmd.CombinedOutput()
	require.NoError(t, ctx.Err(), "it does not end:\n%s", out)
	if m.run == nil {
		require.Error(t, err)
		return string(isVet) + ": " + string(out)
	}
	return string(out)
}

// outcomeOf tells by its output how a program ended.
func outcomeOf(out string) outcome {
	for _, sign := range []struct {
		text string
		how  outcome
	}{
		{"WARNING: DATA RACE", isRace},
		{"unexpected fault address", isFault},
		{"fatal error: ", isThrow},
	} {
		if strings.Contains(out, sign.text) {
			return sign.how
		}
	}
	for line := range strings.Lines(out) {
		word, _, _ := strings.Cut(line, ": ")
		switch how := outcome(word); how {
		case isUnnoticed, isHang, isError, isReport, isPanic, isPoison, isVet:
			return how
		}
	}
	return outcome("none")
}

package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// testSettings are for a short run of a fixed seed.
func testSettings() settings {
	set := settings{
		seed:      1,
		duration:  250 * time.Millisecond,
		hangLimit: 30 * time.Second,
		fatal:     func(_ *rig, text string) { panic(text + "\n" + string(allStacks())) },
	}
	if testing.Short() {
		set.duration /= 2
	}
	return set
}

// Each scenario does something, and finds no error.
func TestScenarios(t *testing.T) {
	for i := range scenarios {
		sc := &scenarios[i]
		t.Run(sc.name, func(t *testing.T) {
			// On a busy machine some of it may not have its turn in so short a time.
			set := testSettings()
			set.began = func(drawn string) { t.Log(drawn) }
			for ; ; set.duration *= 2 {
				rep := sc.run(t.Context(), set)
				var b strings.Builder
				rep.write(&b)
				t.Log(b.String())
				require.Zero(t, rep.errors.total())
				idle := rep.idle()
				if idle == nil {
					return
				}
				require.Less(t, set.duration, 10*time.Second, idle)
			}
		})
	}
}

// idle returns what a run did not do at all.
func (rep *report) idle() (what []string) {
	if rep.reads.reads()+rep.updates == 0 {
		what = append(what, "anything")
	}
	for _, c := range rep.counters {
		if c.Load() == 0 && !c.rarely {
			what = append(what, c.name)
		}
	}
	return what
}

func TestRun_EndsWithItsContext(t *testing.T) {
	set := testSettings()
	set.duration = time.Hour
	ctx, cancel := context.WithCancel(t.Context())
	set.progress = func(progress) { cancel() }
	rep := scenarios[0].run(ctx, set)
	require.Zero(t, rep.errors.total())
}

// A part that finds an error at once.
type faulty struct{}

func (faulty) join(r *rig) {
	r.start("faulty", func(ctx context.Context, p *pulse) {
		r.faults.add(faultGoal, "deliberate")
		<-ctx.Done()
	})
}

func TestRun_FailFast(t *testing.T) {
	set := testSettings()
	set.duration = time.Hour
	set.failFast = true
	rep := (&scenario{"faulty", "", []part{faulty{}}}).run(t.Context(), set)
	require.EqualValues(t, 1, rep.errors.total())
}

// A part whose goroutine hangs until it is released, or panics.
type hanging struct{ release chan struct{} }

func (h hanging) join(r *rig) {
	r.start("the one that hangs", func(context.Context, *pulse) { <-h.release })
}

type panicking struct{}

func (panicking) join(r *rig) {
	r.start("the one that panics", func(context.Context, *pulse) { panic("deliberate") })
}

func TestRun_HangIsFatal(t *testing.T) {
	set := testSettings()
	set.duration = time.Millisecond
	set.hangLimit = time.Second
	h := hanging{make(chan struct{})}
	var fatal string
	set.fatal = func(r *rig, text string) {
		fatal = text
		close(h.release)
		runtime.Goexit()
	}
	rep := (&scenario{"hanging", "", []part{crowd{}, h}}).run(t.Context(), set)
	require.Equal(t, "the one that hangs made no progress for 1s", fatal)
	require.EqualValues(t, 1, rep.errors.count[faultHang])
}

func TestRun_PanicIsFatal(t *testing.T) {
	set := testSettings()
	set.duration = time.Millisecond
	var fatal string
	set.fatal = func(_ *rig, text string) { fatal = text }
	rep := (&scenario{"panicking", "", []part{panicking{}}}).run(t.Context(), set)
	require.Contains(t, fatal, "the one that panics panicked: deliberate")
	require.EqualValues(t, 1, rep.errors.count[faultHang])
}

func TestRunAll_ErrorMeansStatusAndReproducer(t *testing.T) {
	var out strings.Builder
	o := &options{seed: 0x2a, duration: 2 * time.Second, hang: defaultHang, failFast: true}
	status := runAll(t.Context(), []*scenario{{"faulty", "", []part{faulty{}}}, {"good", "", nil}}, o, &out)
	require.Equal(t, 1, status)
	require.Contains(t, out.String(), "goal: 1, such as\n\tdeliberate\n")
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	require.Equal(t, "FAIL", lines[len(lines)-2])
	again := lines[len(lines)-1]
	require.True(t, strings.HasPrefix(again, "reproduce: "), again)
	require.Contains(t, again, " ./cmd/smrtorture -scenario faulty -seed 0x2a -duration 1s -failfast")
}

// What the reproducer says is what the program accepts.
func TestReproducer(t *testing.T) {
	t.Setenv("GOMAXPROCS", "3")
	want := &options{
		scenario: "mixed", seed: 0xffff_ffff_ffff, duration: 1500 * time.Millisecond,
		hang: time.Minute, failFast: true,
	}
	again := reproducer(want.scenario, want, want.duration)
	require.True(t, strings.HasPrefix(again, "GOMAXPROCS=3 "), again)
	_, args, found := strings.Cut(again, " ./cmd/smrtorture ")
	require.True(t, found)
	got, err := parse(strings.Fields(args), io.Discard)
	require.NoError(t, err)
	require.Equal(t, want, got)

	before, flags := buildFlags([]debug.BuildSetting{
		{Key: "-race", Value: "true"}, {Key: "-tags", Value: "smr_wrap,invariants"}, {Key: "GOARCH", Value: "amd64"},
	})
	require.Empty(t, before)
	require.Equal(t, " -race -tags smr_wrap,invariants", flags)
	before, _ = buildFlags([]debug.BuildSetting{{Key: "GOARCH", Value: "386"}})
	require.Equal(t, "GOARCH=386 ", before)
}

func TestCommand_StatusAndVerdict(t *testing.T) {
	for _, tc := range []struct {
		args   string
		status int
		out    string // last line
		err    string
	}{
		{"-duration 50ms -seed 7", 0, "PASS", ""},
		{"-duration 50ms -scenario duel,mixed", 0, "PASS", ""},
		{"-duration 2s -scenario duel,mixed", 0, "PASS", ""},
		{"-duration 0s", 2, "", "-duration 0s is not positive"},
		{"-hang 1ms", 2, "", "-hang 1ms is less than a second"},
		{"-scenario mixed,none", 2, "", `there is no "none"; see -list`},
		{"-scenario=", 2, "", `there is no ""`},
		{"-mutants -scenario baseline", 2, "", "no deliberate bug is for these scenarios"},
		{"-no-such-flag", 2, "", "flag provided but not defined"},
		{"argument", 2, "", `unexpected argument "argument"`},
		{"-help", 0, "", "-scenario"},
	} {
		var out, stderr strings.Builder
		status := command(t.Context(), strings.Fields(tc.args), &out, &stderr)
		require.Equal(t, tc.status, status, "%s\n%s%s", tc.args, &out, &stderr)
		require.Contains(t, stderr.String(), tc.err)
		lines := strings.Split(strings.TrimSpace(out.String()), "\n")
		require.Equal(t, tc.out, lines[len(lines)-1], tc.args)
	}
}

func TestCommand_List(t *testing.T) {
	var out strings.Builder
	require.Zero(t, command(t.Context(), []string{"-list"}, &out, io.Discard))
	require.Len(t, strings.Split(strings.TrimSpace(out.String()), "\n"), len(scenarios))
	for _, sc := range scenarios {
		require.Contains(t, out.String(), sc.name)
	}
}

func TestChoose(t *testing.T) {
	all, err := choose("mixed,all")
	require.NoError(t, err)
	require.Len(t, all, len(scenarios))
	require.Equal(t, "mixed", all[0].name)
}

// An interrupt ends the scenario that runs, and the rest is not begun.
func TestRunAll_Interrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var out strings.Builder
	o := &options{seed: 1, duration: time.Hour, hang: defaultHang}
	chosen := []*scenario{{"faultless", "", []part{crowd{}}}, {"other", "", nil}}
	require.Zero(t, runAll(ctx, chosen, o, &out))
	require.Contains(t, out.String(), "reads")
	require.Contains(t, out.String(), "interrupted: other and what follows was not run")
}

// Two scenarios of one seed have domains of other options, and one scenario the same each time.
func TestOptions_AreDrawnForEachScenario(t *testing.T) {
	drawn := func(scenario string, seed uint64) (o []smr.Options) {
		r := &rig{name: scenario, settings: settings{seed: seed}}
		for i := range 16 {
			o = append(o, drawOptions(r.rand(fmt.Sprint("options of ", i))))
		}
		return o
	}
	require.Equal(t, drawn("mixed", 1), drawn("mixed", 1))
	require.NotEqual(t, drawn("mixed", 1), drawn("calls", 1))
	require.NotEqual(t, drawn("mixed", 1), drawn("mixed", 2))
}

// What was drawn is printed even if the program is killed by what it finds.
func TestRun_DrawnOptionsArePrintedFirst(t *testing.T) {
	var out strings.Builder
	o := &options{seed: 1, duration: time.Millisecond, hang: defaultHang}
	require.Zero(t, runAll(t.Context(), []*scenario{{"crowd", "", []part{crowd{}}}}, o, &out))
	options := strings.Index(out.String(), "domain torture: MaxDelay ")
	require.Positive(t, options)
	require.Less(t, options, strings.Index(out.String(), " reads ("))
}

func TestPlan_EachScenarioHasItsSecond(t *testing.T) {
	all, err := choose("all")
	require.NoError(t, err)
	seen := make(map[string]bool)
	for seed := range uint64(100) {
		run, share := plan(all, &options{duration: 5 * time.Second, seed: seed})
		require.Len(t, run, 5)
		require.Equal(t, time.Second, share)
		for _, sc := range run {
			seen[sc.name] = true
		}
	}
	require.Len(t, seen, len(all), "some are never drawn")

	run, share := plan(all, &options{duration: time.Duration(len(all)) * 2 * time.Second})
	require.Equal(t, all, run)
	require.Equal(t, 2*time.Second, share)
	run, share = plan(all[:1], &options{duration: time.Millisecond})
	require.Equal(t, all[:1], run, "one is what the caller asked for")
	require.Equal(t, time.Millisecond, share)
}

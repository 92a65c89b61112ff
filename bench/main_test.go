package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/bench/internal/count"
	"github.com/gosmr/gosmr/bench/internal/family"
	"github.com/gosmr/gosmr/bench/internal/report"
	"github.com/gosmr/gosmr/bench/internal/run"
)

func everything() settings {
	all := regexp.MustCompile("")
	return settings{only: all, peers: all, reps: 1, procs: ints{1, 4}}
}

func TestPlan(t *testing.T) {
	peers := map[string][]peer{
		"load":        {{"a", "p"}, {"b", "q"}},
		"walk-beside": {{"a", "p"}},
		"call":        {{"a", "p"}},

		family.Instructions: {{"a", "p"}}, // are not timed
	}
	cells := plan(peers, everything())
	require.Equal(t, []cell{
		{peer{"a", "p"}, "load", 0, 1}, {peer{"b", "q"}, "load", 0, 1},
		{peer{"a", "p"}, "load", 0, 4}, {peer{"b", "q"}, "load", 0, 4},
		{peer{"a", "p"}, "call", 10, 4}, // on all processors only
		{peer{"a", "p"}, "call", 10000, 4},
		{peer{"a", "p"}, "walk-beside", 16, 4}, // needs two
	}, cells)

	var sizes []int
	for turn := range turns(cells) {
		sizes = append(sizes, len(turn))
	}
	require.Equal(t, []int{2, 2, 1, 1, 1}, sizes)

	some := everything()
	some.only, some.peers = regexp.MustCompile("load"), regexp.MustCompile("b")
	require.Equal(t, []cell{{peer{"b", "q"}, "load", 0, 1}, {peer{"b", "q"}, "load", 0, 4}}, plan(peers, some))
}

func TestFamilies(t *testing.T) {
	seen := make(map[string]bool)
	for _, f := range family.All {
		require.False(t, seen[f.Name], f.Name)
		seen[f.Name] = true
		require.NotEmpty(t, f.Metrics, f.Name)
		require.Equal(t, f.Param != "", len(f.Full) > 0, f.Name)
		require.Equal(t, f.Param != "", len(f.Quick) > 0, f.Name)
		for _, q := range f.Quick {
			if f.Name != "gc" { // too large for the quick mode
				require.Contains(t, f.Full, q, f.Name)
			}
		}
	}
}

// What is not in Go has a path for each peer of the families section and load. All programs
// execute their paths, and refuse what is none.
func TestPrograms_Instructions(t *testing.T) {
	peers, missing, err := buildAll(t.Context(), ".", t.TempDir(), func(string) {})
	require.NoError(t, err)
	for _, m := range missing {
		t.Log("not built: ", m.Peers, ": ", m.Why)
	}
	foreign := func(all []peer, of string) (names []string) {
		for _, p := range all {
			if name, operation := ofPath(p.name); operation == of && !family.InGo(name) {
				names = append(names, name)
			}
		}
		return names
	}
	paths := peers[family.Instructions]
	require.Equal(t, foreign(peers["section"], "section"), foreign(paths, "section"))
	require.Equal(t, foreign(peers["load"], "section"), foreign(paths, "load"))

	operations := make(map[string]bool)
	f, _ := family.Find(family.Instructions)
	for _, m := range f.Metrics {
		operations[m.Name] = true
	}
	for _, p := range paths {
		execute := func(args ...string) (string, error) {
			out, err := exec.CommandContext(t.Context(), p.program, args...).CombinedOutput()
			return string(out), err
		}
		_, operation := ofPath(p.name)
		require.True(t, operations[operation], p.name)
		out, err := execute(family.Instructions, p.name, "1000")
		require.NoError(t, err, p.name)
		require.Empty(t, out, p.name)
		for _, args := range [][]string{
			{family.Instructions}, {family.Instructions, p.name}, {family.Instructions, p.name, ""}, {family.Instructions, p.name, "0"},
			{family.Instructions, p.name, "-1"}, {family.Instructions, p.name, "1x"}, {family.Instructions, p.name, "99999999999999999999"},
			{family.Instructions, p.name, "1", "1"}, {family.Instructions, p.name, "1", "1", "1", "1"},
			{family.Instructions, p.name + "+no-such", "1"}, {family.Instructions, "no-such", "1"}, {family.Instructions, "", "1"},
			{"section", p.name, "1"}, {p.name, "1"},
		} {
			out, err := execute(args...)
			require.Error(t, err, "%s %q", p.program, args)
			require.Equal(t, 1, strings.Count(out, "\n"), "%s %q: %s", p.program, args, out)
		}
	}
}

func TestCountAll(t *testing.T) {
	if err := count.Available(); err != nil {
		t.Skip(err)
	}
	program := filepath.Join(t.TempDir(), "plain")
	if err := gcc("plain.c")(t.Context(), ".", program); err != nil {
		t.Skip(err)
	}
	const name = "pthread-rwlock"
	paths := []peer{{"other", program}, {name, program}, {name + "+no-such", program}, {name + "+load", program}}
	set := everything()
	set.peers = regexp.MustCompile("^" + name + "$")
	samples, failed, err := countAll(t.Context(), paths, set, func(string) {})
	require.NoError(t, err)
	require.Len(t, failed, 1, "and the rest is counted")
	require.Contains(t, failed[0].Peers, "+no-such")
	require.Len(t, samples, 2)
	require.Less(t, samples[0].Value, samples[1].Value)
	for i, operation := range []string{"section", "load"} {
		samples[i].Value = 0
		require.Equal(t, run.Sample{Family: family.Instructions, Procs: 1, Peer: name, Metric: operation}, samples[i])
	}
}

func TestClaims_AreOfWhatThereIs(t *testing.T) {
	for _, c := range claims {
		f, ok := family.Find(c.family)
		require.True(t, ok, c.family)
		require.NotPanics(t, func() { c.of() })
		if f.Param == "" {
			require.Zero(t, c.param)
		} else {
			require.Contains(t, f.Full, c.param, c.family)
		}
	}
}

// What is committed of a run is what its samples give: the figures of the pages, the summary,
// and no plot more.
func TestCommitted_IsOfItsSamples(t *testing.T) {
	const how = "go run ./bench -redraw writes it"
	runs, err := committed("..")
	require.NoError(t, err)
	require.Len(t, runs, 2, "one of another machine: ratios differ between them")
	r := runs[0]
	for page, claims := range pages {
		text, err := os.ReadFile(filepath.Join("..", page))
		require.NoError(t, err)
		fresh, err := withFigures(string(text), runs, claims)
		require.NoError(t, err)
		require.Equal(t, fresh, string(text), "%s: %s", page, how)
	}
	fresh := t.TempDir()
	require.NoError(t, report.WriteSummary(fresh, r))
	require.Equal(t, names(t, fresh), names(t, committedDir("..")), how)
	for _, dir := range []string{fresh, committedDir("..")} {
		text, err := os.ReadFile(filepath.Join(dir, "README.md"))
		require.NoError(t, err)
		require.Less(t, strings.Count(string(text), "\n"), 150)
	}
	want, err := os.ReadFile(filepath.Join(fresh, "README.md"))
	require.NoError(t, err)
	got, err := os.ReadFile(filepath.Join(committedDir(".."), "README.md"))
	require.NoError(t, err)
	require.Equal(t, string(want), string(got), how)
}

// Each plot that is committed is shown by a page for readers, and they show no other.
func TestCommitted_PlotsAreShown(t *testing.T) {
	shown := make(map[string]bool)
	for _, page := range []string{"README.md", "docs/performance.md"} {
		text, err := os.ReadFile(filepath.Join("..", page))
		require.NoError(t, err)
		for _, m := range regexp.MustCompile(`\]\((\S+\.svg)\)`).FindAllStringSubmatch(string(text), -1) {
			shown[filepath.Base(m[1])] = true
		}
	}
	for _, name := range names(t, committedDir("..")) {
		if filepath.Ext(name) == ".svg" {
			require.True(t, shown[name], name)
			delete(shown, name)
		}
	}
	require.Empty(t, shown)
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	all, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range all {
		if !e.IsDir() { // the samples of another machine
			names = append(names, e.Name())
		}
	}
	return names
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-procs", "0"}, {"-procs", "x"}, {"-run", "("}, {"more"}, {"-nothing"}} {
		require.Error(t, start(t.Context(), args, t.Output(), t.Output()), args)
	}
}

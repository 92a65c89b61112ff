package main

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/bench/internal/family"
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

// The README's figures are those of the committed report.
func TestReadme_HasTheReportsFigures(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "README.md"))
	require.NoError(t, err)
	fresh, err := withFigures("..", string(text))
	require.NoError(t, err)
	require.Equal(t, fresh, string(text), "go run ./bench -readme writes them")
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-procs", "0"}, {"-procs", "x"}, {"-run", "("}, {"more"}, {"-nothing"}} {
		require.Error(t, start(t.Context(), args, t.Output(), t.Output()), args)
	}
}

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Each package has mutants, which have keys of their own, and checks that are in the tree.
func TestSurvey_FitsTheTree(t *testing.T) {
	t.Chdir("../../..")
	keys := make(map[string]bool)
	for pkg := range users {
		all, err := mutantsOf(pkg)
		require.NoError(t, err)
		require.NotEmpty(t, all, pkg)
		for _, m := range all {
			require.False(t, keys[m.key], m.key)
			keys[m.key] = true
		}
		for _, st := range steps(pkg) {
			files, err := filepath.Glob(filepath.Join(st.pkg, "*.go"))
			require.NoError(t, err)
			require.NotEmpty(t, files, st)
		}
	}
}

func TestTagsOf(t *testing.T) {
	dir := t.TempDir()
	for text, want := range map[string][]string{
		"package p":                             nil,
		"//go:build smr_portable\n\npackage p":  {"smr_portable"},
		"//go:build invariants\n\npackage p":    {"invariants"},
		"//go:build !smr_portable\n\npackage p": nil,
		"//go:build neverland\n\npackage p":     {"none"},
	} {
		file := filepath.Join(dir, "f.go")
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		tags, ok := tagsOf(file)
		if !ok {
			tags = []string{"none"}
		}
		require.Equal(t, want, tags, text)
	}
}

func TestBatches_QuickOnesFirst(t *testing.T) {
	ms := time.Millisecond
	got := batches([]timed{{"Slow", 9 * firstBatch}, {"A", 0}, {"B", 100 * ms}, {"C", 300 * ms}, {"D", 200 * ms}})
	require.Equal(t, []batch{
		{"^(A|B|D)$", 300 * ms},
		{"^(C)$", 300 * ms},
		{"^(Slow)$", 9 * firstBatch},
	}, got)
	require.Empty(t, batches(nil))
}

// A survey fails where too few are killed, and counts only those that build.
func TestSummary(t *testing.T) {
	all := make([]generated, 4)
	for i := range all {
		all[i].pkg = "clock"
	}
	of := func(results ...string) (vs []verdict) {
		for _, r := range results {
			vs = append(vs, verdict{Result: r})
		}
		return vs
	}
	s := &survey{least: 0.6}
	require.NoError(t, s.summary([]string{"clock"}, all, of(killed, killed, survived, invalid)))
	require.EqualError(t, s.summary([]string{"clock"}, all, of(killed, invalid, survived, invalid)),
		"fewer than 60 % of the mutants were killed")
	require.NoError(t, s.summary([]string{"clock"}, nil, nil))
}

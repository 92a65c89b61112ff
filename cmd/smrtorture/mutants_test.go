package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/mutant"
)

func TestInReach_IsOfThisTree(t *testing.T) {
	known := make(map[mutant.Name]bool)
	for _, b := range mutant.Bugs {
		known[b.Name] = true
	}
	seen := make(map[mutant.Name]bool)
	for _, m := range inReach {
		require.True(t, known[m.bug], m.bug)
		require.False(t, seen[m.bug], m.bug)
		seen[m.bug] = true
		_, err := choose(m.scenario)
		require.NoError(t, err)
	}
}

func TestFoundBy(t *testing.T) {
	for want, out := range map[string]string{
		"element too old":     "3 errors\nelement too old: 2, such as\n\tx\npayload changed: 1, such as\n",
		"race detector":       "==================\nWARNING: DATA RACE\n",
		"hang or panic":       "hang or panic: 1, such as\n\twaiter 1 made no progress for 6s\n",
		"fatal error: fault":  "unexpected\nfatal error: fault\n",
		"exit status only":    "nothing",
		"panic: in a library": "panic: in a library\n\ngoroutine 1",
	} {
		require.Equal(t, want, foundBy(out))
	}
}

// One scenario's bugs, from the build to the verdict.
func TestMutants_AreCaught(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program twice")
	}
	var out, stderr strings.Builder
	status := command(t.Context(), strings.Fields("-mutants -scenario calls -duration 1s"), &out, &stderr)
	require.Zero(t, status, "%s%s", &out, &stderr)
	require.Contains(t, out.String(), "caught   early-run                calls    ")
	require.Contains(t, out.String(), "\n2 bugs were caught, 0 survived\nPASS\n")
}

package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/mutant"
)

func TestInReach_IsOfThisTree(t *testing.T) {
	seen := make(map[string]bool)
	for _, m := range inReach {
		_, known := mutant.Named(m.bug)
		require.True(t, known, m.bug)
		require.False(t, seen[m.bug], m.bug)
		seen[m.bug] = true
		_, err := choose(m.scenario)
		require.NoError(t, err)
	}
}

// No bug in reach is left to chance: those without a schedule program show in every run of their
// scenario, as they need no special interleaving.
func TestInReach_NoneIsLeftToChance(t *testing.T) {
	var sure []string
	for _, m := range inReach {
		if schedulesOf(m.bug) == nil {
			sure = append(sure, m.bug)
		}
	}
	require.ElementsMatch(t, []string{
		"foreign-goal", "future-goal", "lost-slots", "no-throttle", "assist-in-callback", "no-release",
		"tail-kept", "append-loses-back-link", "retire-is-free", "slab-before-readers",
		"no-moved-check", "unmap-at-once", "truncate-first", "hold-of-another", "set-hold-of-another",
	}, sure)
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

// A bug that its scenario does not find, for want of luck, is found by its schedules; and
// a schedule program that is not there, or that passes, finds nothing.
func TestHunt_SchedulesDecide(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program twice, and a test")
	}
	b, err := newBreeder(t.Context(), t.TempDir(), &options{seed: 1, duration: 50 * time.Millisecond, hang: mutantHang})
	require.NoError(t, err)
	t.Setenv("SMR_SCHEDULES", "0.05") // of the bug that is none
	const never = "baseline-mutex"    // it uses nothing of the library
	how, err := b.hunt(t.Context(), "no-deferred-fence", never)
	require.NoError(t, err)
	require.Equal(t, "not by chance in 2 tries, but by ./clock TestSchedules_DeferredAgainstCommit", how)

	_, err = b.trySchedules(t.Context(), &mutant.Bug{Package: "./clock", Schedules: "TestSchedules_None"})
	require.ErrorContains(t, err, "does not pass without a bug")
	found, err := b.trySchedules(t.Context(), &mutant.Bug{Name: "early-run", Package: "./clock", Schedules: "TestSchedules_DeferredAgainstCommit"})
	require.NoError(t, err)
	require.False(t, found)
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

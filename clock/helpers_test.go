package clock

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// watchdog is how long a test waits for what must happen at once: long enough
// for any machine, and the way a lost wake-up shows.
const watchdog = 2 * time.Minute

func newClock(o Options) *Clock {
	c := new(Clock)
	c.Init(o)
	return c
}

// starts are clocks whose next few advances pass a boundary.
var starts = map[string]Seq{
	"Default":    0,
	"BelowWrap":  belowWrap(2),
	"BelowSign":  1<<63 - 2*increment,
	"AfterStart": 5 * increment,
}

// forEachStart runs a test with a clock of each kind: at each boundary, and with
// readers that fence for themselves.
func forEachStart(t *testing.T, test func(t *testing.T, c *Clock)) {
	for name, start := range starts {
		t.Run(name, func(t *testing.T) { test(t, newClock(Options{Start: start})) })
		t.Run(name+"Fenced", func(t *testing.T) { test(t, newClock(Options{Start: start, Fenced: true})) })
	}
}

func watchdogContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), watchdog)
	t.Cleanup(cancel)
	return ctx
}

func waitFor(t *testing.T, c *Clock, goal Seq) {
	t.Helper()
	require.NoError(t, c.Wait(watchdogContext(t), goal), "the wait for %#x was not woken", uint64(goal))
}

// eventually waits for a state that another goroutine is about to reach and
// that has no channel to tell it.
func eventually(t *testing.T, what string, cond func() bool) {
	t.Helper()
	require.Eventually(t, cond, watchdog, time.Millisecond, what)
}

// belowWrap returns the moment n advances before the count wraps.
func belowWrap(n int) Seq { return -Seq(n) * increment }

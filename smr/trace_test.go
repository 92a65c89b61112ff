package smr

import (
	"bytes"
	"context"
	"runtime/trace"
	"testing"

	"github.com/stretchr/testify/require"
)

// A trace has the waits, in the task of their context, and what the domain's goroutines do, with the
// domain's name.
func TestTrace_HasRegions(t *testing.T) {
	var buf bytes.Buffer
	if err := trace.Start(&buf); err != nil {
		t.Skip(err) // go test -trace
	}
	defer trace.Stop()
	d, err := New(Options{Name: "the traced domain", MaxPending: 1})
	require.NoError(t, err)
	ctx, task := trace.NewTask(watchdogContext(t), "the task")
	require.NoError(t, d.Wait(ctx, d.Advance()))
	require.NoError(t, d.Synchronize(ctx))
	s := enterElsewhere(d)
	d.CallFunc(1, func() {})
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	require.ErrorIs(t, d.Throttle(canceled), context.Canceled)
	s.Leave()
	require.NoError(t, d.Barrier(ctx))
	require.NoError(t, d.Close(ctx))
	task.End()
	trace.Stop()
	for _, what := range []string{
		"smr.Wait", "smr.Synchronize", "smr.Throttle", "smr.Barrier", "smr.Close",
		"smr.drain", "smr.gracePeriod", "smr.callbacks", "smr.domain", "the traced domain",
	} {
		require.True(t, bytes.Contains(buf.Bytes(), []byte(what)), what)
	}
}

// Package testkit is what tests of the packages above smr share.
package testkit

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// watchdog makes a hang a failure.
const watchdog = 2 * time.Minute

// Context returns a context that ends after two minutes, or with the test.
func Context(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), watchdog)
	t.Cleanup(cancel)
	return ctx
}

// Domain returns a domain that is closed when the test ends.
func Domain(t testing.TB) *smr.Domain {
	t.Helper()
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	t.Cleanup(func() {
		// The test's own context has ended by now.
		ctx, cancel := context.WithTimeout(context.Background(), watchdog)
		defer cancel()
		require.NoError(t, d.Close(ctx))
	})
	return d
}

// Settle runs a domain's deferred calls, and those that they make in turn, ten deep: a pool gives
// memory back by a chain of calls.
func Settle(t testing.TB, d *smr.Domain) {
	t.Helper()
	ctx := Context(t)
	for range 10 {
		require.NoError(t, d.Barrier(ctx))
	}
}

// Rounds returns n, or a tenth of it with -short.
func Rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// Enter enters a section on another goroutine, so that the caller may wait while it is open, also
// under -tags invariants.
func Enter(d *smr.Domain) smr.Section {
	entered := make(chan smr.Section)
	go func() { entered <- d.Enter() }()
	return <-entered
}

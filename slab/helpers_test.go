package slab

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// watchdogContext makes a hang a failure.
func watchdogContext(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

func newDomain(t testing.TB) *smr.Domain {
	d, err := smr.New(smr.Options{Name: t.Name()})
	require.NoError(t, err)
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		require.NoError(t, d.Close(ctx))
	})
	return d
}

func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

func get[T any](t testing.TB, p *Pool[T]) *T {
	obj, err := p.Get()
	require.NoError(t, err)
	return obj
}

// closeEmpty closes a pool all of whose objects were given back.
func closeEmpty[T any](t testing.TB, p *Pool[T]) {
	require.NoError(t, p.Close(watchdogContext(t)))
	st := p.Stats()
	require.Zero(t, st.ReservedBytes)
	require.Zero(t, st.InUse)
	require.Zero(t, st.Pending)
}

func panicText(t testing.TB, fn func()) (text string) {
	t.Helper()
	defer func() {
		v := recover()
		require.NotNil(t, v, "no panic")
		text = v.(string)
	}()
	fn()
	return ""
}

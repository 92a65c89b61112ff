//go:build invariants

package smr

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A clone that is released twice is found while others are held, and named.
func TestInvariants_CloneReleasedTwice(t *testing.T) {
	d := newDomain(t, Options{})
	h := holdNow(d, new(object))
	c := h.Clone()
	c.Release()
	defer h.Release()
	defer func() {
		text, _ := recover().(string)
		require.Contains(t, text, "smr: Release of a Held that was released before, held at:\n")
		require.Contains(t, text, "TestInvariants_CloneReleasedTwice")
		require.True(t, h.Active())
	}()
	c.Release()
}

// A Held that is dropped without Release is reported, with the stack that took it.
func TestInvariants_LeakedHold(t *testing.T) {
	reports := make(chan Stall, 16)
	d, err := New(Options{Name: t.Name(), OnStall: func(s Stall) { reports <- s }})
	require.NoError(t, err)
	holdNow(d, new(object))
	for deadline := time.After(watchdog); ; {
		runtime.GC()
		select {
		case s := <-reports:
			require.Contains(t, s.LeakedHold, "holdNow")
			require.Contains(t, s.String(), "a Held was dropped without Release, and its object is never freed: 0 calls (0 bytes) pending; it was held at:\n")
		case <-deadline:
			require.Fail(t, "no report")
		default:
			runtime.Gosched()
			continue
		}
		break
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.ErrorContains(t, d.Close(ctx), "1 hold open")
}

// Errors name the holds that Barrier and Close wait for.
func TestInvariants_HoldsInErrors(t *testing.T) {
	d := newDomain(t, Options{})
	o := new(object)
	h := holdNow(d, o)
	Call(d, o, 8, func(*object) {})
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	for d.Stats().HeldCalls == 0 {
		d.Flush()
		runtime.Gosched()
	}
	cancel()
	require.ErrorContains(t, d.Barrier(ctx), "\nheld at:\n")
	require.ErrorContains(t, d.Close(ctx), "\nheld at:\n")
	h.Release()
}

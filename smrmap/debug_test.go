//go:build invariants && !smr_sched

package smrmap

import (
	"context"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/self"
	"github.com/gosmr/gosmr/smr"
)

// A write may wait for a bucket's lock, and is refused in a pinned section; a load never waits.
func TestInvariants_WriteWhilePinned(t *testing.T) {
	d, err := smr.New(smr.Options{Name: "held"})
	require.NoError(t, err)
	m, err := New[int, int](Options{Domain: d})
	require.NoError(t, err)
	b, err := NewBytes(Options{Domain: d})
	require.NoError(t, err)
	require.NoError(t, m.Store(1, 1))
	k := []byte("k")
	require.NoError(t, b.Store(k, k))
	for name, write := range map[string]func(){
		"Store":         func() { m.Store(1, 2) },
		"LoadOrStore":   func() { m.LoadOrStore(2, 2) },
		"LoadAndDelete": func() { m.LoadAndDelete(1) },
		"Delete":        func() { m.Delete(1) },
		"Compute":       func() { m.Compute(1, func(int, bool) (int, Op) { return 0, CancelOp }) },
		"Clear":         m.Clear,
		"BytesStore":    func() { b.Store(k, k) },
		"BytesDelete":   func() { b.Delete(k) },
	} {
		t.Run(name, func(t *testing.T) {
			text := self.Dies(t, func() {
				s := d.Pin()
				write()
				s.Leave()
			})
			require.Regexp(t, "(smrmap|slab): .* inside a pinned section of domain held", text)
		})
	}
	s := d.Pin()
	_, ok := m.Load(1)
	_, in := m.LoadIn(s, 1)
	s.Leave()
	require.True(t, ok && in)
}

// What may wait for readers is refused in a section of the map's domain, also where there is nothing to
// wait for, and has changed nothing.
func TestInvariants_WaitInSection(t *testing.T) {
	d, err := smr.New(smr.Options{Name: "mine"})
	require.NoError(t, err)
	m, err := New[int, int](Options{Domain: d})
	require.NoError(t, err)
	b, err := NewBytes(Options{Domain: d})
	require.NoError(t, err)
	ctx := context.Background()
	k := []byte("k")
	update := func(Item, bool) (Item, Op) { return Item{Value: k}, UpdateOp }
	waits := map[string]func(){
		"StoreEvicting":   func() { b.StoreEvicting(ctx, k, Item{Value: k}) },
		"ComputeEvicting": func() { b.ComputeEvicting(ctx, k, update) },
		"CompactFor":      func() { b.CompactFor(ctx, 100) },
		"Close":           func() { m.Close(ctx) },
		"Close of Bytes":  func() { b.Close(ctx) },
	}
	for name, wait := range waits {
		s := d.Enter()
		what, _, _ := strings.Cut(name, " ")
		func() {
			defer func() {
				require.Contains(t, recover(), "smrmap: "+what+" inside a section of domain mine, for which it may wait: Leave first", name)
			}()
			wait()
		}()
		s.Leave()
	}
	require.Zero(t, b.Len())
	require.NoError(t, m.Store(1, 1), "it is open")
	for _, name := range []string{"StoreEvicting", "ComputeEvicting", "CompactFor", "Close", "Close of Bytes"} {
		require.NotPanics(t, waits[name])
	}
	require.ErrorIs(t, m.Store(1, 1), ErrClosed)
}

//go:build invariants && !smr_sched

package smrmap

import (
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

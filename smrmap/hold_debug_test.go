//go:build invariants && unix && !race

package smrmap

import (
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/smr"
)

// A hold of what a map lends keeps nothing, and is found.
func TestInvariants_LentIsHeld(t *testing.T) {
	d := newDomain(t)
	m := newMap[int, int](t, Options{Domain: d})
	b := newBytes(t, Options{Domain: d})
	require.NoError(t, m.Store(1, 2))
	require.NoError(t, b.Store(key(1), []byte("v")))
	s := d.Enter()
	defer s.Leave()
	p, _ := m.LoadIn(s, 1)
	it, _ := b.LoadIn(s, key(1))
	for _, hold := range []func(){
		func() { smr.Hold(s, p) },
		func() { smr.Hold(s, unsafe.SliceData(it.Value)) },
	} {
		func() {
			defer func() {
				text, _ := recover().(string)
				require.Contains(t, text, "smr: Hold, on domain "+d.Name())
				require.Contains(t, text, "a map of smrmap lends: the map's Hold keeps that")
			}()
			hold()
		}()
	}
	require.Zero(t, d.Stats().Holds)
	h, ok := m.Hold(s, 1)
	require.True(t, ok)
	require.Equal(t, 2, *h.Get())
	h.Release()
}

package smrmap

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestBytes_ComputePanic(t *testing.T) {
	m := newBytes(t, Options{})
	require.NoError(t, m.Store(key(1), []byte("v")))
	require.PanicsWithValue(t, "mine", func() {
		m.Compute(key(1), func(Item, bool) (Item, Op) { panic("mine") })
	})
	require.PanicsWithValue(t, "smrmap: Compute of Bytes: Op(-1)", func() {
		m.Compute(key(1), func(Item, bool) (Item, Op) { return Item{}, -1 })
	})
	v, ok := m.Load(key(1), nil)
	require.True(t, ok)
	require.Equal(t, "v", string(v))
	require.True(t, m.Delete(key(1)))
}

// Compute reports no value for a key that it has expired.
func TestBytesCompute_ExpiredHasNoValue(t *testing.T) {
	var at clock
	at.ms.Store(1000)
	m := newBytes(t, Options{Now: at.now})
	require.NoError(t, m.Store(key(1), nil))
	ok, err := m.Compute(key(1), func(Item, bool) (Item, Op) { return Item{Expires: 500}, ExpireOp })
	require.NoError(t, err)
	_, there := m.Load(key(1), nil)
	require.Equal(t, there, ok, `"reports whether the key has a value afterwards"`)
}

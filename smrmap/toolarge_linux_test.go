package smrmap

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"github.com/gosmr/gosmr/smr"
)

// noMemory returns n bytes that can't be looked at.
func noMemory(t *testing.T, n int) []byte {
	b, err := unix.Mmap(-1, 0, n, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		t.Skip("no addresses for it: ", err)
	}
	t.Cleanup(func() { unix.Munmap(b) })
	return b
}

// Of a key or value that is too large nothing is read: it is neither hashed, nor compared,
// nor copied.
func TestBytes_TooLargeIsNotLookedAt(t *testing.T) {
	m := newBytes(t, Options{})
	big, small := noMemory(t, MaxLen+1), key(1)
	require.NoError(t, m.Store(small, []byte("old")))
	called := 0
	update := func(value []byte) func(Item, bool) (Item, Op) {
		return func(Item, bool) (Item, Op) {
			called++
			return Item{Value: value}, UpdateOp
		}
	}
	for _, kv := range [][2][]byte{{big, nil}, {small, big}, {big, big}, {key(2), big}} {
		k, v := kv[0], kv[1]
		require.ErrorIs(t, m.Store(k, v), ErrTooLarge)
		require.ErrorIs(t, m.StoreItem(k, Item{Value: v, Expires: 1}), ErrTooLarge)
		_, err := m.Compute(k, update(v))
		require.ErrorIs(t, err, ErrTooLarge)
		if &k[0] != &small[0] {
			_, _, err = m.LoadOrStore(k, Item{Value: v}, nil)
			require.ErrorIs(t, err, ErrTooLarge)
		}
	}
	require.Equal(t, 4, called)
	_, ok := m.Load(big, nil)
	require.False(t, ok)
	m.dom.Read(func(s smr.Section) {
		_, ok := m.LoadIn(s, big)
		require.False(t, ok)
	})
	require.False(t, m.Delete(big))
	_, ok = m.LoadAndDelete(big, nil)
	require.False(t, ok)
	for _, op := range []Op{CancelOp, DeleteOp, ExpireOp} {
		ok, err := m.Compute(big, func(_ Item, loaded bool) (Item, Op) { return Item{}, op })
		require.NoError(t, err)
		require.False(t, ok)
	}
	v, ok := m.Load(small, nil)
	require.True(t, ok)
	require.Equal(t, "old", string(v))
	require.Equal(t, 1, m.Len())
}

package smrmap

import (
	"bytes"
	"context"
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/gosmr/gosmr/internal/held"
	"github.com/gosmr/gosmr/internal/testkit"
	"github.com/gosmr/gosmr/slab"
	"github.com/gosmr/gosmr/smr"
)

func holdValue[K comparable, V any](t *testing.T, m *Map[K, V], k K) smr.Held[V] {
	s := testkit.Enter(m.dom)
	defer s.Leave()
	h, ok := m.Hold(s, k)
	require.True(t, ok)
	return h
}

func holdItem(t *testing.T, m *Bytes, key []byte) HeldItem {
	s := testkit.Enter(m.dom)
	defer s.Leave()
	h, ok := m.Hold(s, key)
	require.True(t, ok)
	return h
}

// settleUnheld has reused what is retired, and not held.
func settleUnheld(t *testing.T, d *smr.Domain, trim func()) {
	for range 3 {
		trim()
		require.NoError(t, held.Of(d).Barrier(testkit.Context(t)))
	}
}

// A value that is held stays while its key is stored to, and deleted, and the memory of others is
// reused.
func TestHold_MapValue(t *testing.T) {
	t.Run("off the Go heap", func(t *testing.T) { keepsValues(t, func(i int) [3]int { return [3]int{i, -i, i} }) })
	t.Run("on the Go heap", func(t *testing.T) { keepsValues(t, func(i int) string { return fmt.Sprint(i) }) })
}

func keepsValues[V comparable](t *testing.T, value func(int) V) {
	d := testkit.Domain(t)
	m := newMap[int, V](t, Options{Domain: d})
	trim := func() {}
	if m.pool != nil {
		trim = m.pool.Trim
	}
	const n = 1000
	holds := make(map[int]smr.Held[V])
	for i := range n {
		require.NoError(t, m.Store(i, value(i)))
		if i%10 == 0 {
			holds[i] = holdValue(t, m, i)
		}
	}
	for round := range 3 {
		for i := range n {
			if i%20 == 0 {
				m.Delete(i)
			} else {
				require.NoError(t, m.Store(i, value(i+round+n)))
			}
		}
		settleUnheld(t, d, trim)
	}
	for i, h := range holds {
		require.Equal(t, value(i), *h.Get())
		c := h.Clone()
		h.Release()
		require.Equal(t, value(i), *c.Get())
		c.Release()
	}
	s := m.Enter()
	_, ok := m.Hold(s, 0)
	require.False(t, ok)
	s.Leave()
	trim()
	testkit.Settle(t, d)
	if m.pool != nil {
		require.Zero(t, m.pool.Stats().Pending)
	}
}

// An item that is held stays while its key is stored to and deleted, it expires, and all is cleared.
func TestHold_Item(t *testing.T) {
	for name, n := range map[string]int{"small": 50, "large": 100 << 10} {
		t.Run(name, func(t *testing.T) {
			d := testkit.Domain(t)
			m := newBytes(t, Options{Domain: d})
			value := bytes.Repeat([]byte("v"), n)
			require.NoError(t, m.StoreItem(key(1), Item{Value: value, Expires: 1 << 60}))
			h := holdItem(t, m, key(1))
			require.NoError(t, m.Store(key(1), bytes.Repeat([]byte("w"), n)))
			h2 := holdItem(t, m, key(1))
			require.True(t, m.Delete(key(1)))
			require.NoError(t, m.Store(key(2), nil))
			empty := holdItem(t, m, key(2))
			m.Clear()
			settleUnheld(t, d, m.blocks.Trim)
			for i := range 100 {
				require.NoError(t, m.Store(key(i), bytes.Repeat([]byte("x"), n)))
				m.Delete(key(i))
				settleUnheld(t, d, m.blocks.Trim)
			}
			require.Equal(t, Item{value, 1 << 60}, h.Get())
			require.Equal(t, bytes.Repeat([]byte("w"), n), h2.Get().Value)
			require.Empty(t, empty.Get().Value)
			c := h.Clone()
			h.Release()
			require.True(t, c.Active())
			require.Equal(t, value, c.Get().Value)
			c.Release()
			require.False(t, c.Active())
			h2.Release()
			empty.Release()
			m.blocks.Trim()
			testkit.Settle(t, d)
			require.Zero(t, m.blocks.Stats().Pending)

			require.NoError(t, m.StoreItem(key(1), Item{Value: value, Expires: 1}))
			s := m.Enter()
			for _, k := range [][]byte{key(1), key(2), make([]byte, MaxLen+1)} {
				_, ok := m.Hold(s, k)
				require.False(t, ok)
			}
			s.Leave()
			require.Panics(t, func() { HeldItem{}.Get() })
		})
	}
}

// Items that are held stay while their neighbours are moved to give slabs to another size, and evicted,
// until there is room; the holds hold up neither.
func TestHold_CompactionMovesTheNeighbours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testkit.Domain(t)
		m := newBytes(t, Options{Domain: d, Budget: slab.NewBudget(2 << 20)})
		ctx := testkit.Context(t)
		n := 0
		for ; m.Store(key(n), bytes.Repeat([]byte{byte(n)}, 200)) == nil; n++ {
		}
		holds := make(map[int]HeldItem)
		for i := 0; i < n; i += n / 5 {
			holds[i] = holdItem(t, m, key(i))
		}
		called := new(int)
		s := testkit.Enter(d)
		other := smr.Hold(s, called)
		s.Leave()
		smr.Call(d, called, 1, func(*int) {})
		for i := range 500 {
			require.NoError(t, m.StoreEvicting(ctx, key(n+i), Item{Value: bytes.Repeat([]byte{byte(i)}, 2000)}))
			if i%50 == 0 {
				_, err := m.CompactFor(ctx, 50)
				require.NoError(t, err)
			}
		}
		for i, h := range holds {
			require.Equal(t, bytes.Repeat([]byte{byte(i)}, 200), h.Get().Value)
			h.Release()
		}
		other.Release()
		require.Greater(t, m.Stats().Evicted, uint64(0))
	})
}

// Close of a map waits for what is held of it, which stays as it is.
func TestHold_MapClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := testkit.Domain(t)
		m, err := New[int, int](Options{Domain: d})
		require.NoError(t, err)
		b, err := NewBytes(Options{Domain: d})
		require.NoError(t, err)
		require.NoError(t, m.Store(1, 2))
		require.NoError(t, b.Store(key(1), []byte("v")))
		h, hb := holdValue(t, m, 1), holdItem(t, b, key(1))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		require.Error(t, m.Close(ctx))
		require.Error(t, b.Close(ctx))
		done := make(chan error)
		go func() { done <- m.Close(testkit.Context(t)) }()
		go func() { done <- b.Close(testkit.Context(t)) }()
		synctest.Wait()
		require.Equal(t, 2, *h.Get())
		require.Equal(t, "v", string(hb.Get().Value))
		h.Release()
		hb.Release()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
	})
}
